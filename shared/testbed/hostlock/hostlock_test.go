package hostlock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

// childVariable makes this test binary run as the process that a test kills.
const childVariable = "MACHINE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "lock":
		if _, err := hostlock.Lock(context.Background(), "oven", nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		sayAndWait("locked")
	case "queue":
		// It says when it waits and when it has the lock, and releases the lock when its input ends.
		release, err := hostlock.Lock(context.Background(), "oven", func(holder string) { fmt.Println("waits:", holder) })
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
		release()
		os.Exit(0)
	case "owner":
		owner := hostlock.Owner()
		var words []string
		for k, v := range owner {
			words = append(words, k+"\x1f"+v)
		}
		sayAndWait(strings.Join(words, "\x1e"))
	}
	os.Exit(m.Run())
}

func sayAndWait(line string) {
	fmt.Println(line)
	time.Sleep(time.Minute)
	os.Exit(0)
}

// ownFolder gives the test a lock folder of its own.
func ownFolder(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("LocalAppData", dir)
}

// child starts this binary in a role and returns its command and its first line.
func child(t *testing.T, role string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // in a test that passes it has ended already
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd, strings.TrimSpace(line)
}

// kill ends a child as kill -9 does.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// A home that cannot be written to is no reason to fail: the locks go to the temporary folder.
func TestDirWithoutAHome(t *testing.T) {
	temporary := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cache := range map[string]string{"cache is a file": file, "cache in a file": filepath.Join(file, "cache"), "relative": "cache"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", cache)
			t.Setenv("HOME", cache)
			t.Setenv("LocalAppData", cache)
			t.Setenv("TMPDIR", temporary)
			t.Setenv("TMP", temporary)
			dir, err := hostlock.Dir()
			if err != nil || !strings.HasPrefix(dir, temporary) && runtime.GOOS != "windows" {
				t.Fatalf("%s, %v; want a folder in %s", dir, err, temporary)
			}
			release, err := hostlock.Lock(t.Context(), "oven", nil)
			if err != nil {
				t.Fatal(err)
			}
			release()
		})
	}
}

func TestKilledProcessLetsGo(t *testing.T) {
	ownFolder(t)
	cmd, _ := child(t, "lock")

	var holder string
	_, err := hostlock.Lock(within(t, 300*time.Millisecond), "oven", func(h string) { holder = h })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a held lock is given away: %v", err)
	}
	pid := fmt.Sprintf("process %d", cmd.Process.Pid)
	if !strings.Contains(holder, pid) || !strings.Contains(holder, "oven") {
		t.Errorf("the holder is %q, want it to name %s and the lock", holder, pid)
	}
	if !strings.Contains(err.Error(), pid) {
		t.Errorf("the error %q does not name the holder", err)
	}

	kill(t, cmd)
	release, err := hostlock.Lock(within(t, 5*time.Second), "oven", nil)
	if err != nil {
		t.Fatalf("the lock of a killed process is not free: %v", err)
	}
	release()
}

func TestOwnerOfKilledProcessIsDead(t *testing.T) {
	cmd, line := child(t, "owner")
	labels := make(map[string]string)
	for _, word := range strings.Split(line, "\x1e") {
		k, v, _ := strings.Cut(word, "\x1f")
		labels[k] = v
	}
	if !hostlock.Owned(labels) {
		t.Fatalf("the labels %v name no owner", labels)
	}
	if !hostlock.Alive(labels) {
		t.Error("a running owner counts as dead")
	}
	kill(t, cmd)
	if hostlock.Alive(labels) {
		t.Error("a killed owner counts as alive")
	}
}

func TestThisProcessIsAlive(t *testing.T) {
	if !hostlock.Alive(hostlock.Owner()) {
		t.Errorf("this process counts as dead: %v", hostlock.Owner())
	}
}

func TestOwnerChangesNothingElse(t *testing.T) {
	owner := hostlock.Owner()
	merged := owner.Merge(map[string]string{"role": "postgres"})
	if _, changed := owner["role"]; changed || merged["role"] != "postgres" || !hostlock.Owned(merged) {
		t.Errorf("Merge returns %v and leaves %v", merged, owner)
	}
}

func TestLockExcludes(t *testing.T) {
	ownFolder(t)
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			release, err := hostlock.Lock(t.Context(), "oven", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(5 * time.Millisecond)
			inside.Add(-1)
			release()
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d held the lock at once", most.Load())
	}
}

func TestLocksOfOtherNamesAreFree(t *testing.T) {
	ownFolder(t)
	for _, name := range []string{"oven", "oven/2", "../oven", "öven"} {
		release, err := hostlock.Lock(within(t, time.Second), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
}

func TestSlotsAreAsManyAsPromised(t *testing.T) {
	ownFolder(t)
	for range hostlock.Slots() {
		release, err := hostlock.Slot(within(t, time.Second), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	waited := ""
	if _, err := hostlock.Core(within(t, 200*time.Millisecond), func(h string) { waited = h }); err == nil {
		t.Error("there is a core too many")
	}
	if named := strings.Count(waited, fmt.Sprintf("process %d ", os.Getpid())); named < 1 || named > hostlock.Slots() {
		t.Errorf("the holder of %d slots is named %d times: %q", hostlock.Slots(), named, waited)
	}
	if _, err := hostlock.Slot(within(t, 200*time.Millisecond), func(h string) { waited = h }); err == nil {
		t.Error("there is a slot too many")
	}
	if !strings.Contains(waited, fmt.Sprint(os.Getpid())) {
		t.Errorf("the holders are %q, want this process", waited)
	}
}

func TestCoreIsHalfASlot(t *testing.T) {
	ownFolder(t)
	var releases []func()
	for range 2 * hostlock.Slots() {
		release, err := hostlock.Core(within(t, time.Second), nil)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if _, err := hostlock.Core(within(t, 200*time.Millisecond), nil); err == nil {
		t.Error("there is a core too many")
	}
	for _, release := range releases[1:] {
		release()
	}
	if hostlock.Slots() == 1 {
		if _, err := hostlock.Slot(within(t, 200*time.Millisecond), nil); err == nil {
			t.Error("a slot is given away while one of its cores is taken")
		}
	}
	releases[0]()
	release, err := hostlock.Slot(within(t, time.Second), nil)
	if err != nil {
		t.Fatalf("the waiter that gave up still holds a core: %v", err)
	}
	release()
}

func TestHolderIsToldOnce(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	told := 0
	if _, err := hostlock.Lock(within(t, 400*time.Millisecond), "oven", func(string) { told++ }); err == nil {
		t.Fatal("a held lock is given away")
	}
	if told != 1 {
		t.Errorf("the same holder was told %d times", told)
	}
}
