package hostlock

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// testTime is what the tests of a package need at most on the reference machine.
const testTime = 4 * time.Minute

// ErrLateForTests says that the tests of a package would not end in time any more, so that nothing
// was tested. It names the remedy.
var ErrLateForTests = errors.New("inconclusive: too little of go test's time is left; run it again when the other run has ended, or: go test -timeout 30m")

// BeforeTests returns the context in which a TestMain waits for locks: after flag.Parse and before
// m.Run, where the limit of -timeout begins to count. But the go command kills a test binary a
// minute after that limit, counted from the binary's start. So the context ends, with the cause
// ErrLateForTests, when the time left is too short for the tests.
func BeforeTests(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := testTimeout()
	return inTime(ctx, time.Now().Add(limit), limit > 0)
}

// noCoreExitCode is the exit code of a package whose tests got no core: the environment's.
const noCoreExitCode = 3

// TestsOnCore runs the tests of a package, m.Run, while it holds a core of the machine. It returns the
// exit code for TestMain. It is for packages that start servers, after flag.Parse.
func TestsOnCore(run func() int) (code int) {
	ctx, cancel := BeforeTests(context.Background())
	defer cancel()
	release, err := Core(ctx, func(holder string) { fmt.Fprintln(os.Stderr, "waiting for a core of the machine:", holder) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return noCoreExitCode
	}
	defer release()
	return run()
}

// InTest is BeforeTests inside a test, with what its Deadline method returns.
func InTest(ctx context.Context, deadline time.Time, ok bool) (context.Context, context.CancelFunc) {
	return inTime(ctx, deadline, ok)
}

func inTime(ctx context.Context, deadline time.Time, ok bool) (context.Context, context.CancelFunc) {
	if !ok {
		return context.WithCancel(ctx)
	}
	needed := min(testTime, time.Until(deadline)/2)
	return context.WithDeadlineCause(ctx, deadline.Add(-needed), ErrLateForTests)
}

// testTimeout is the limit of -timeout; 0 is none.
func testTimeout() time.Duration {
	value := flag.Lookup("test.timeout")
	if value == nil {
		return 0
	}
	limit, err := time.ParseDuration(value.Value.String())
	if err != nil {
		return 0
	}
	return limit
}
