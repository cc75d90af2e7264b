package cli

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"
)

// childGrace is how long a program may take to clean up after an interrupt before it is
// killed: it has containers to remove.
const childGrace = 30 * time.Second

// child is a program that a verb runs.
type child struct {
	dir            string
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	// foreground leaves the program in the terminal's foreground, for those that talk
	// to the user themselves and get Ctrl-C from the terminal.
	foreground bool
}

// run runs a program to its end. When ctx ends, the program and those that it started
// are interrupted, and killed after childGrace. Where the platform can do it the program
// dies with this process, in whatever way that ends. The error is an *exec.ExitError
// when the program ran and failed, or ctx's.
func (c child) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, c.stdout, c.stderr
	cmd.SysProcAttr = attributes(c.foreground)
	cmd.Cancel = func() error { return interrupt(cmd.Process, c.foreground) }
	cmd.WaitDelay = childGrace
	// Linux ties a child's life to the thread that started it, not to the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}
