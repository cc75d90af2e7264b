// Package subprocess runs other programs so that none of them outlives a verb. The only exception
// is HandOver.
package subprocess

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"
)

// interruptGrace is how long a program may take to clean up after an interrupt before it is
// killed. It may have containers to remove.
const interruptGrace = 30 * time.Second

// Command says how to run a program.
type Command struct {
	Dir            string
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Foreground leaves the program in the terminal's foreground. A program that talks to the
	// user needs this, and gets Ctrl-C from the terminal.
	Foreground bool
}

// Run runs a program to its end. When ctx ends, Run interrupts the program and its process
// group, and kills the program after 30 s. On Linux the program also dies with
// this process. The error wraps an *exec.ExitError when the program ran and failed. When ctx
// has ended, the error is the cause of that.
func (c Command) Run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = attributes(c.Foreground)
	cmd.Cancel = func() error { return interrupt(cmd.Process, c.Foreground) }
	cmd.WaitDelay = interruptGrace
	// Linux kills a child when the thread that started it ends, not the process.
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
