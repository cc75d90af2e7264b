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

// retryDelay is how often a waiter looks whether a lock is free. The kernel can also
// wake a waiter, but such a wait cannot be called off by a context.
const retryDelay = 50 * time.Millisecond

// Lock waits for the machine-wide lock of that name, holds it until release is called
// or the process ends in whatever way (the kernel keeps it, so a kill -9 leaves nothing
// behind), and is not re-entrant. While another holds it, onWait (unless nil) is told
// who: at once, and again when the holder changes. The error is the context's when that
// ends first.
func Lock(ctx context.Context, name string, onWait func(holder string)) (release func(), err error) {
	_, release, err = lockOne(ctx, []string{name}, name, onWait)
	return release, err
}

// Slots is how many processes may measure on the machine side by side: half the cores,
// at least one.
func Slots() int { return slots(runtime.NumCPU()) }

func slots(cores int) int { return max(1, cores/2) }

// Slot waits for one of the machine's Slots, as Lock does: two cores, whose holder may
// rely on nothing else of the workshop running there.
func Slot(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	// Every holder of a slot takes its even core first, and a holder of one core waits for
	// no other, so nobody waits in a circle.
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

// Core waits for one core of the machine, as Lock does: half a Slot, for work that
// measures nothing and only must not crowd the machine.
func Core(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	// The odd ones first, so that a waiter for a slot is soon at the head of its line.
	_, release, err = lockOne(ctx, append(cores(1), cores(0)...), "machine core", onWait)
	return release, err
}

// cores returns the names of every second core's lock.
func cores(from int) []string {
	var names []string
	for i := range Slots() {
		names = append(names, core(2*i+from))
	}
	return names
}

func core(n int) string { return fmt.Sprintf("core-%d", n) }

// lockOne takes the first of the locks that comes free, and says which it was.
func lockOne(ctx context.Context, names []string, what string, onWait func(holder string)) (taken int, release func(), err error) {
	dir, err := Dir()
	if err != nil {
		return 0, nil, err
	}
	told := ""
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

// tryLock returns a nil release when another holds the lock.
func tryLock(path, what string) (func(), error) {
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return nil, errors.Join(err, lock.Close())
	}
	// The holder's name has a file of its own, because Windows forbids reading a locked
	// one. Losing it costs a waiter the name, nothing else.
	note := fmt.Sprintf("process %d (%s), %s, since %s", os.Getpid(), command(), what, time.Now().Format(time.TimeOnly))
	_ = os.WriteFile(path+".holder", []byte(note), 0o644)
	return func() {
		_ = os.Remove(path + ".holder")
		_ = lock.Unlock() // also closes the file, and with that the kernel lets go
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

// command is the program and its first arguments, short enough for one line.
func command() string {
	words := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	line := strings.Join(words, " ")
	if len(line) > maxCommand {
		line = strings.ToValidUTF8(line[:maxCommand], "") + "..."
	}
	return line
}

// fileName maps a lock's name to a file name that every platform takes.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, name) + ".lock"
}

// Dir is where locks are kept: a folder of the user's cache folder, made on first use,
// or of the temporary folder where there is no home.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), fmt.Sprintf("bytebites-%d", os.Getuid()))
	}
	dir := filepath.Join(cache, "bytebites-workshop")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make lock folder: %w", err)
	}
	return dir, nil
}
