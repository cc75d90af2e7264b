package hostlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// retryDelay is the time between two tries to take a lock. The kernel could wake a waiter
// instead, but a context cannot cancel such a wait.
const retryDelay = 50 * time.Millisecond

// Lock waits for the machine-wide lock of that name. The process holds it until release, or
// until it ends: the kernel keeps the lock, so kill -9 releases it too. The lock is not
// re-entrant. While another process holds it, Lock calls onWait, unless nil, with the
// holder: at once, and again when the holder changes. The wait counts against no WithTimeout.
// When ctx ends first, the error wraps its cause.
func Lock(ctx context.Context, name string, onWait func(holder string)) (release func(), err error) {
	_, release, err = lockOne(ctx, []string{name}, name, onWait)
	return release, err
}

// Slots is how many processes may measure on the machine in parallel: half the cores, at
// least one.
func Slots() int { return slots(runtime.NumCPU()) }

func slots(cores int) int { return max(1, cores/2) }

// Slot waits for one of the machine's Slots, see Lock. A slot is two cores. Its holder is
// the only process of the workshop that uses them.
func Slot(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	// A slot takes its even core first, and the holder of one core waits for no other core.
	// So there is no deadlock.
	first, releaseFirst, err := lockOne(ctx, cores(0), "machine slot", onWait)
	if err != nil {
		return nil, err
	}
	_, releaseSecond, err := lockOne(ctx, []string{core(first*2 + 1)}, "machine slot", onWait)
	if err != nil {
		releaseFirst()
		return nil, err
	}
	return func() { releaseSecond(); releaseFirst() }, nil
}

// Core waits for one core of the machine, see Lock. A core is half a slot. It is for work
// that measures nothing and must only not overload the machine.
func Core(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	// Odd cores first, because a slot takes its even core first: that leaves even cores
	// free for slots.
	_, release, err = lockOne(ctx, append(cores(1), cores(0)...), "machine core", onWait)
	return release, err
}

// cores returns the lock names of every second core, counted from from.
func cores(from int) []string {
	var names []string
	for i := range Slots() {
		names = append(names, core(2*i+from))
	}
	return names
}

func core(n int) string { return fmt.Sprintf("core-%d", n) }

// lockOne takes the first of the locks that becomes free, and returns its index.
func lockOne(ctx context.Context, names []string, what string, onWait func(holder string)) (taken int, release func(), err error) {
	dir, err := Dir()
	if err != nil {
		return 0, nil, err
	}
	told := ""
	var resume func()
	for {
		holders := make([]string, 0, len(names))
		for i, name := range names {
			path := filepath.Join(dir, fileName(name))
			release, err := tryLock(path, what)
			if err != nil {
				return 0, nil, fmt.Errorf("lock %s: %w", what, err)
			}
			if release != nil {
				return i, release, nil
			}
			holders = append(holders, readHolder(path))
		}
		if resume == nil {
			resume = wait(ctx)
			defer resume()
		}
		if now := strings.Join(holders, "; "); onWait != nil && now != told {
			told = now
			onWait(now)
		}
		select {
		case <-ctx.Done():
			return 0, nil, fmt.Errorf("wait for %s, held by %s: %w", what, strings.Join(holders, "; "), context.Cause(ctx))
		case <-time.After(retryDelay):
		}
	}
}

// tryLock returns a nil release when another process holds the lock.
func tryLock(path, what string) (func(), error) {
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return nil, errors.Join(err, lock.Close())
	}
	// The holder's name is in a file of its own, because Windows forbids reading a locked
	// file. Without that file a waiter only does not know the name.
	note := fmt.Sprintf("process %d (%s), %s, since %s", os.Getpid(), command(), what, time.Now().Format(time.TimeOnly))
	_ = os.WriteFile(path+".holder", []byte(note), 0o644)
	return func() {
		_ = os.Remove(path + ".holder")
		_ = lock.Unlock() // also closes the file, and then the kernel releases the lock
	}, nil
}

func readHolder(path string) string {
	note, err := os.ReadFile(path + ".holder")
	if err != nil || len(note) == 0 {
		return "another process"
	}
	return string(note)
}

const maxCommand = 60 // bytes

// command returns the program and its first arguments, short enough for one line.
func command() string {
	words := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	line := strings.Join(words, " ")
	if len(line) > maxCommand {
		line = strings.ToValidUTF8(line[:maxCommand], "") + "..."
	}
	return line
}

// fileName maps a lock's name to a file name that is valid on every platform.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, name) + ".lock"
}

// folder is the name of the lock folder.
const folder = "bytebites-workshop"

// Dir returns the folder of the lock files, and makes it when needed. It lies in the user's
// cache folder, or in the temporary folder when the user has no home or cannot write to it.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		dir := filepath.Join(cache, folder)
		if err = writable(dir); err == nil {
			return dir, nil
		}
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("bytebites-%d", os.Getuid()), folder)
	if tempErr := writable(dir); tempErr != nil {
		return "", fmt.Errorf("make lock folder: %w", errors.Join(err, tempErr))
	}
	return dir, nil
}

// writable makes a folder when needed, and a file in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	probe, err := os.OpenFile(filepath.Join(dir, "writable"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return probe.Close()
}
