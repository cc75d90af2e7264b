package hostlock_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

// waiter is a process that asks for the lock "oven".
type waiter struct {
	t     *testing.T
	cmd   *exec.Cmd
	input io.Closer
	lines chan string
}

func newWaiter(t *testing.T) *waiter {
	t.Helper()
	w := &waiter{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 16)}
	w.cmd.Env = append(os.Environ(), childVariable+"=queue")
	in, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.input = in
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // in a test that passes it has ended already
	go func() {
		defer close(w.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.lines <- lines.Text()
		}
	}()
	return w
}

// says waits for a line that starts with the text, and returns that line.
func (w *waiter) says(text string) string {
	w.t.Helper()
	for timeout := time.After(10 * time.Second); ; {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("process %d ended, and did not say %q", w.cmd.Process.Pid, text)
			}
			if strings.HasPrefix(line, text) {
				return line
			}
		case <-timeout:
			w.t.Fatalf("process %d does not say %q", w.cmd.Process.Pid, text)
		}
	}
}

// release has the process give the lock back, and waits for its end.
func (w *waiter) release() {
	w.t.Helper()
	if err := w.input.Close(); err != nil {
		w.t.Fatal(err)
	}
	for range w.lines { //nolint:revive // until its output ends
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// tickets are the files of the queue of the lock "oven".
func tickets(t *testing.T) []string {
	t.Helper()
	dir, err := hostlock.Dir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "oven.lock.queue", "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// offer sends a text that is left out if nothing receives it.
func offer(to chan<- string, text string) {
	select {
	case to <- text:
	default:
	}
}

// A process that asks again as soon as it has released the lock is behind those who wait already.
func TestFirstComeFirstServed(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	first := newWaiter(t)
	if line := first.says("waits:"); strings.Contains(line, "before this one") {
		t.Errorf("the first process in the queue says %q", line)
	}
	second := newWaiter(t)
	if line := second.says("waits:"); !strings.Contains(line, "1 process waits before this one") {
		t.Errorf("the second process in the queue says %q", line)
	}
	asked, again := make(chan string, 1), make(chan error, 1)
	release()
	go func() {
		release, err := hostlock.Lock(within(t, 10*time.Second), "oven", func(holder string) { offer(asked, holder) })
		if err == nil {
			release()
		}
		again <- err
	}()
	select {
	case holder := <-asked:
		if !strings.Contains(holder, "before this one") {
			t.Errorf("the last process waits for %q", holder)
		}
	case err := <-again:
		t.Fatalf("the last process did not wait: %v", err)
	}
	for i, w := range []*waiter{first, second} {
		w.says("locked")
		select {
		case err := <-again:
			t.Fatalf("the last process overtook process %d of the queue: %v", i+1, err)
		case line := <-second.lines:
			if w == first && line == "locked" {
				t.Fatal("two processes have the lock")
			}
		case <-time.After(200 * time.Millisecond): // several tries of each that waits
		}
		w.release()
	}
	if err := <-again; err != nil {
		t.Errorf("the last process: %v", err)
	}
	if left := tickets(t); len(left) > 0 {
		t.Errorf("tickets are left: %v", left)
	}
}

func TestKilledWaiterLosesItsTicket(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	first := newWaiter(t)
	first.says("waits:")
	second := newWaiter(t)
	second.says("waits:")
	kill(t, first.cmd)
	if line := second.says("waits:"); strings.Contains(line, "before this one") {
		t.Errorf("after the death of the first, the second says %q", line)
	}
	if left := tickets(t); len(left) != 1 {
		t.Errorf("the tickets are %v, want one", left)
	}
	release()
	second.says("locked")
	second.release()
}

// A waiter that gives up loses its ticket too.
func TestEndedWaitLosesItsTicket(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := hostlock.Lock(within(t, 100*time.Millisecond), "oven", nil); err == nil {
		t.Fatal("a held lock is given away")
	}
	if left := tickets(t); len(left) > 0 {
		t.Errorf("tickets are left: %v", left)
	}
}

// On a machine with one slot, a core that is free stays free for the process that waits for the slot.
func TestCoreWaitsBehindASlot(t *testing.T) {
	ownFolder(t)
	var cores []func()
	for range 2*hostlock.Slots() - 1 {
		release, err := hostlock.Core(within(t, time.Second), nil)
		if err != nil {
			t.Fatal(err)
		}
		cores = append(cores, release)
	}
	waits, slot := make(chan string, 1), make(chan func(), 1)
	go func() {
		release, err := hostlock.Slot(within(t, 10*time.Second), func(holder string) { offer(waits, holder) })
		if err != nil {
			t.Error(err)
			release = func() {}
		}
		slot <- release
	}()
	<-waits
	if _, err := hostlock.Core(within(t, 200*time.Millisecond), nil); err == nil {
		t.Error("a core was given away before a slot that was asked for earlier")
	}
	for _, release := range cores {
		release()
	}
	release := <-slot
	release()
}
