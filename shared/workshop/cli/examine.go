package cli

import (
	"context"
	"errors"
	"slices"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/images"
)

// minGo is the oldest Go version that the module supports.
const minGo = "go1.26"

// examine looks at everything and does not stop at the first problem, so that the user can mend
// all problems at once.
func (a *app) examine(ctx context.Context, w workshop) ([]engine.Finding, error) {
	p := a.progress()
	checkup := engine.Checkup{Go: minGo, Registry: string(images.Postgres.Official())}
	// connect may set an engine up. If it fails, the diagnosis below reports the reason.
	e, err := a.connect(ctx, p)
	if err == nil {
		checkup.Shell, err = imageWithShell(ctx, e)
		if err = errors.Join(err, e.Close()); err != nil {
			return nil, err
		}
	}
	examined, err := a.stack(w).Examine(ctx)
	if err != nil {
		return nil, err
	}
	checkup.Ports = examined.Ports

	step := p.Step("examine the machine")
	findings := engine.Diagnose(ctx, checkup)
	step.End(ctx.Err())
	return append(findings, examined.Findings...), nil
}

// imageWithShell returns an image of the engine that has a shell, or "".
func imageWithShell(ctx context.Context, e *engine.Engine) (string, error) {
	have, err := there(ctx, e)
	if err != nil {
		return "", err
	}
	for _, entry := range have {
		if slices.Contains([]images.Name{images.Postgres, images.Redis, images.Nginx}, entry.Name) {
			return string(entry.Ref), nil
		}
	}
	return "", nil
}
