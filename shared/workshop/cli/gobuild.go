package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
)

var errNotCompiling = errors.New("the code does not compile")

// compileError is a package that does not compile, with the compiler's output.
type compileError struct {
	pkg    string
	output string
}

func (e *compileError) Error() string { return fmt.Sprintf("compile %s:\n%s", e.pkg, e.output) }

// in reports whether the compiler's output names a file in one of the folders. The folders are
// relative to the module's root, with slashes.
func (e *compileError) in(dirs ...string) bool {
	for _, line := range strings.Split(e.output, "\n") {
		line = strings.ReplaceAll(strings.TrimSpace(line), `\`, "/")
		for _, dir := range dirs {
			if strings.HasPrefix(strings.TrimPrefix(line, "./"), dir+"/") {
				return true
			}
		}
	}
	return false
}

// compile runs a verb of the go command in the module's root. The last of the words is the
// package. The error is a *compileError when the command ran and failed.
func (a *app) compile(ctx context.Context, w workshop, p *progress.Reporter, verb string, words ...string) (err error) {
	pkg := words[len(words)-1]
	step := p.Step("compile %s", pkg)
	step.Detail("the first build compiles every package, which takes minutes")
	defer func() {
		if compile := (*compileError)(nil); errors.As(err, &compile) {
			step.Fail(errNotCompiling) // the caller shows the compiler's output, once
			return
		}
		step.End(err)
	}()
	var output bytes.Buffer
	everything := io.MultiWriter(&output, step.Writer())
	c := subprocess.Command{Dir: w.root, Env: slices.Concat(a.env, gobuild.CompileEnv()), Stdout: everything, Stderr: everything}
	err = c.Run(ctx, "go", slices.Concat([]string{verb}, gobuild.CompileFlags(), words)...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &compileError{pkg, strings.TrimSpace(output.String())}
	case errors.Is(err, exec.ErrNotFound):
		return unavailable("the go command is not on the PATH", "add the folder of the Go installation to the PATH: https://go.dev/doc/install")
	}
	return err
}

// buildProgram builds a main package in the same way as the test bed. The error is a
// *compileError when the package does not compile.
func buildProgram(ctx context.Context, p *progress.Reporter, platform gobuild.Platform, pkg string) ([]byte, error) {
	step := p.Step("build %s", pkg)
	step.Detail("the first build compiles every package, which takes minutes")
	binary, err := gobuild.NewBuilder(platform).Binary(ctx, pkg)
	var compile *gobuild.CompileError
	if errors.As(err, &compile) {
		step.Fail(errNotCompiling) // the caller shows the compiler's output, once
		return nil, &compileError{pkg, compile.Output}
	}
	step.End(err)
	return binary, err
}
