package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	root   string // the module's root
	output string
}

func (e *compileError) Error() string { return fmt.Sprintf("compile %s:\n%s", e.pkg, e.output) }

// in reports whether the compiler's output is about a file or a package in one of the folders. The
// folders are relative to the module's root, with slashes.
func (e *compileError) in(dirs ...string) bool {
	for line := range strings.SplitSeq(slashed(e.output), "\n") {
		place := e.place(strings.TrimSpace(line))
		for _, dir := range dirs {
			rest, found := strings.CutPrefix(place, dir)
			if found && strings.HasPrefix(rest, "/") {
				return true
			}
		}
	}
	return false
}

// slashed returns a text with the slashes of other systems than Windows.
func slashed(text string) string { return strings.ReplaceAll(text, `\`, "/") }

// place returns the file or the folder that a line of the compiler's output is about, from the
// module's root and with a slash at the end of a folder. It is empty in a line about neither.
func (e *compileError) place(line string) string {
	root := strings.TrimSuffix(slashed(e.root), "/") + "/"
	// `found packages a (x.go) and b (y.go) in FOLDER`, `no Go files in FOLDER`: the importing file
	// may come first.
	if at := strings.LastIndex(line, " in "+root); at >= 0 {
		return line[at+len(" in "+root):] + "/"
	}
	if rest, found := strings.CutPrefix(strings.TrimPrefix(line, "open "), root); found {
		return rest
	}
	// `package PATH: C source files not allowed`, and the last line of an import cycle.
	if strings.HasPrefix(line, "package ") || strings.HasSuffix(line, "import cycle not allowed") {
		if _, rest, found := strings.Cut(line, modulePath+"/"); found {
			if end := strings.IndexAny(rest, ": "); end >= 0 {
				return rest[:end] + "/"
			}
		}
		return ""
	}
	return strings.TrimPrefix(line, "./")
}

// compile runs a verb of the go command in the module's root. The last of the words is the
// package. The error is a *compileError when the code is at fault.
func (a *app) compile(ctx context.Context, w workshop, p *progress.Reporter, verb string, words ...string) (err error) {
	pkg := words[len(words)-1]
	step := p.Step("compile %s", pkg)
	step.Detail(compiling)
	defer func() {
		if compile := (*compileError)(nil); errors.As(err, &compile) {
			step.Fail(errNotCompiling) // the caller shows the compiler's output, once
			return
		}
		step.End(err)
	}()
	var output bytes.Buffer
	watched := newGoOutput(step.Detail, downloadShown)
	defer watched.end()
	everything := io.MultiWriter(&output, watched)
	env, err := gobuild.Env(ctx, a.env)
	if err != nil {
		return err
	}
	c := subprocess.Command{Dir: w.root, Env: env, Stdout: everything, Stderr: everything}
	err = c.Run(ctx, "go", slices.Concat([]string{verb}, gobuild.CompileFlags(), words)...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = gobuild.Failure(ctx, pkg, output.String(), err)
	var compile *gobuild.CompileError
	if errors.As(err, &compile) {
		return &compileError{pkg, w.root, strings.TrimSpace(compile.Output)}
	}
	return err
}

// buildProgram builds a main package in the same way as the test bed. The error is a
// *gobuild.CompileError when the package does not compile.
func buildProgram(ctx context.Context, p *progress.Reporter, platform gobuild.Platform, pkg string) ([]byte, error) {
	step := p.Step("build %s", pkg)
	step.Detail(compiling)
	binary, err := gobuild.NewBuilder(platform).Binary(ctx, pkg)
	if compile := (*gobuild.CompileError)(nil); errors.As(err, &compile) {
		step.Fail(errNotCompiling) // the caller shows the compiler's output, once
		return nil, err
	}
	step.End(err)
	return binary, err
}
