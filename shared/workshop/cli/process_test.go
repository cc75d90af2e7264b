package cli_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/workshop/cli"
)

// patience is how long a script waits for what must happen: as long as a command waits for the
// stack. On a machine that builds all images beside it a broker has taken over 30 s to start again.
const patience = cli.ReadyTimeout

// await waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	eventually(ts, args[0]+" is not there", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// gone waits until the process whose id is in a file has ended.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	eventually(ts, "process "+strconv.Itoa(pid)+" still runs", func() bool { return !runs(pid) })
}

// runs reports whether there is a process of that id that has not ended. A process that
// has, but whose parent has not looked at it, is a zombie: ended.
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

// eventually waits until done. What was seen last, if given, is told when it never is.
func eventually(ts *testscript.TestScript, problem string, done func() bool, last ...*string) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().Before(deadline) {
			continue
		}
		for _, seen := range last {
			problem += "; last seen: " + *seen
		}
		ts.Fatalf("after %v %s", patience, problem)
	}
}
