package clitest

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/workshop/cli/stack"
)

// waitInterval is the pause between two looks.
const waitInterval = 20 * time.Millisecond

// waiter has the commands that wait.
type waiter struct{ ctx context.Context }

// await waits until a file exists.
func (w waiter) await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	w.until(ts, func(context.Context) error {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err
	})
}

// gone waits until the process has ended whose id is in a file.
func (w waiter) gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	w.until(ts, func(context.Context) error {
		if runs(pid) {
			return errors.New("process " + strconv.Itoa(pid) + " still runs")
		}
		return nil
	})
}

// runs reports whether a process runs. A zombie, which has ended before its parent asked for its
// exit code, does not run.
func runs(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	if process.Signal(syscall.Signal(0)) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// until calls look until it returns nil. After stack.ReadyTimeout, which is the time that `up`
// gives a service, or when the test ends, the script fails with the last error that look
// returned before that.
func (w waiter) until(ts *testscript.TestScript, look func(context.Context) error) {
	w.within(ts, stack.ReadyTimeout(), look)
}

// within is until with a limit of its own.
func (w waiter) within(ts *testscript.TestScript, limit time.Duration, look func(context.Context) error) {
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	var last error
	for {
		err := look(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("waited %v: %v", limit, last)
		case <-time.After(waitInterval):
		}
	}
}
