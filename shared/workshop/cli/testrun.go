package cli

import (
	"context"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/lab"
)

// compileTest compiles the tests of the package in a folder, given from the module's root
// with slashes, into a file in scratch. A file for the go command's -overlay may be given, or "", and
// build tags. The error is a *compileError when they do not compile.
func (a *app) compileTest(ctx context.Context, w workshop, p *progress.Reporter, scratch, dir, overlay string, tags ...string) (binary string, err error) {
	// By default go test vets the package first, and for that every package below it: on a new machine that
	// takes longer than to compile a lab. Lint vets the workshop's own code.
	words := []string{"-c", "-vet=off", "-ldflags=-w"}
	if len(tags) > 0 {
		words = append(words, gobuild.TagsFlag(tags...)) // the go command takes the last one
	}
	binary = filepath.Join(scratch, path.Base(path.Dir(dir))+"-"+path.Base(dir))
	if overlay != "" {
		words = append(words, "-overlay="+overlay)
		binary += "-overlay"
	}
	binary += ".test"
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	// The binary is thrown away after the run. Without the debugger's tables it links
	// faster.
	return binary, a.compile(ctx, w, p, "test", append(words, "-o", binary, "./"+dir)...)
}

// hangTimeout is the limit of the testing package, which counts the wait for the machine. It ends a
// test that hangs before its own limit, testRun.timeout, begins to count.
const hangTimeout = 12 * time.Hour

// testRun is one run of one compiled test.
type testRun struct {
	binary string
	dir    string // the package's folder on disk
	name   string
	mode   lab.Mode
	// selection is the part of the lab to run.
	selection lab.Selection
	timeout   time.Duration // waiting for the machine does not count
	result    string        // the file that the test writes its result to
	output    *testOutput
	short     bool   // leaves out what needs a server
	mine      string // lab.EnvMine: the labs below that are the learner's own
}

// runTest runs a test to its end. The error is that of subprocess.Command.Run, or an
// *engine.Unavailable if the test did not start. It runs the compiled
// test and not `go test`: this way it is our own child, and dies with us.
func (a *app) runTest(ctx context.Context, r testRun) error {
	step := "" // all
	if r.selection.Step != 0 {
		step = strconv.Itoa(r.selection.Step)
	}
	c := subprocess.Command{
		Dir: r.dir,
		Env: append(append([]string{}, a.env...), lab.EnvResult+"="+r.result, lab.EnvMode+"="+string(r.mode),
			lab.EnvStep+"="+step, lab.EnvServerless+"="+strconv.FormatBool(r.selection.Serverless), lab.EnvOnly+"="+r.selection.Only, lab.EnvMine+"="+r.mine, lab.EnvTimeout+"="+r.timeout.String()),
		Stdout: r.output, Stderr: r.output,
	}
	words := []string{"-test.run=^" + r.name + "$", "-test.count=1", "-test.v", "-test.timeout=" + hangTimeout.String()}
	if r.short {
		words = append(words, "-test.short")
	}
	err := c.Run(ctx, r.binary, words...)
	return notStarted(r.binary, err)
}
