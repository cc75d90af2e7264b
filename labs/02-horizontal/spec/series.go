package spec

import (
	"context"

	"bytebites.example/workshop/shared/workshop/lab"
)

// taken returns what the run before in a series has kept under a name.
func taken[T any](run *lab.Run, name string) (thing T, kept bool) {
	if run.Series == nil {
		return thing, false
	}
	thing, kept = run.Series.Take(name).(T)
	return thing, kept
}

// keepOrClose keeps a thing for the next run of the series. Without a series it closes the thing.
func keepOrClose(run *lab.Run, name string, thing any, closeIt func() error) error {
	if run.Series == nil {
		return closeIt()
	}
	run.Series.Keep(name, thing, closeIt)
	return nil
}

// lifetime returns the context for things that a run may keep, because a bed ends with its context.
func lifetime(ctx context.Context, run *lab.Run) context.Context {
	if run.Series == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}
