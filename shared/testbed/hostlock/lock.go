package hostlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// retryDelay is the time between two tries to take a lock. The kernel could wake a waiter
// instead, but a context cannot cancel such a wait.
const retryDelay = 50 * time.Millisecond

// Lock waits for the machine-wide lock of that name. Processes get it in the order in which they
// asked. The process holds it until release, or until it ends: the kernel keeps the lock, so
// kill -9 releases it too. The lock is not re-entrant. While it waits, Lock calls onWait,
// unless nil, at once and after each change. The text names the holder and how many processes
// wait before this one. The wait counts against no WithTimeout. When ctx
// ends first, the error wraps its cause.
func Lock(ctx context.Context, name string, onWait func(holder string)) (release func(), err error) {
	return lockOne(ctx, name, []set{{name}}, name, onWait)
}

// Slots is how many processes may measure on the machine in parallel: half the cores, at
// least one.
func Slots() int { return slots(runtime.NumCPU()) }

func slots(cores int) int { return max(1, cores/2) }

// coresQueue is the queue of Slot and Core.
const coresQueue = "cores"

// Slot waits for one of the machine's Slots, see Lock. A slot is two cores. Its holder is
// the only process of the workshop that uses them. Slot and Core have one queue, because else
// short uses of a core could keep a slot from ever becoming free.
func Slot(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	var pairs []set
	for i := range Slots() {
		pairs = append(pairs, set{core(2 * i), core(2*i + 1)})
	}
	return lockOne(ctx, coresQueue, pairs, "machine slot", onWait)
}

// Core waits for one core of the machine, see Lock. A core is half a slot. It is for work
// that measures nothing and must only not overload the machine. The holder of a core must not
// wait for a second core, because a process that waits for a slot may stand before it in the queue.
func Core(ctx context.Context, onWait func(holder string)) (release func(), err error) {
	// One slot after the other, so that as many slots as possible stay free.
	var singles []set
	for i := range Slots() {
		singles = append(singles, set{core(2*i + 1)}, set{core(2 * i)})
	}
	return lockOne(ctx, coresQueue, singles, "machine core", onWait)
}

func core(n int) string { return fmt.Sprintf("core-%d", n) }

// set is the names of locks that are taken together.
type set []string

// lockOne takes the first of the sets that is free when all who asked before have one.
func lockOne(ctx context.Context, line string, sets []set, what string, onWait func(holder string)) (release func(), err error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	mine, err := queue(filepath.Join(dir, fileName(line)+".queue")).join(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", what, err)
	}
	defer mine.leave()
	told := ""
	var resume func()
	for {
		ahead, err := mine.ahead(ctx)
		if err == nil && ahead == 0 {
			release, err = tryOne(dir, sets, what)
		}
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("lock %s: %w", what, err)
		}
		if release != nil {
			return release, nil
		}
		if resume == nil {
			resume = wait(ctx)
			defer resume()
		}
		now := describe(holders(dir, sets), ahead)
		if onWait != nil && now != told {
			told = now
			onWait(now)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s, held by %s: %w", what, now, context.Cause(ctx))
		case <-time.After(retryDelay):
		}
	}
}

// tryOne returns a nil release when other processes hold a lock of each set.
func tryOne(dir string, sets []set, what string) (release func(), err error) {
	for _, s := range sets {
		if release, err = s.try(dir, what); release != nil || err != nil {
			return release, err
		}
	}
	return nil, nil
}

// try takes all locks of a set. It returns a nil release, and holds none of them, when another process
// holds one.
func (s set) try(dir, what string) (release func(), err error) {
	var locks []*flock.Flock
	unlock := func() {
		for _, lock := range locks {
			_ = lock.Unlock() // also closes the file, and then the kernel releases the lock
		}
	}
	for _, name := range s {
		lock := flock.New(filepath.Join(dir, fileName(name)))
		locked, err := lock.TryLock()
		if err != nil || !locked {
			unlock()
			return nil, err
		}
		locks = append(locks, lock)
	}
	// The holder's name is in a file of its own, because Windows forbids reading a locked
	// file. Without that file a waiter only does not know the name.
	note := fmt.Sprintf("process %d (%s), %s, since %s", os.Getpid(), command(), what, time.Now().Format(time.TimeOnly))
	for _, lock := range locks {
		_ = os.WriteFile(holderFile(lock.Path()), []byte(note), 0o644)
	}
	return func() {
		for _, lock := range locks {
			_ = os.Remove(holderFile(lock.Path()))
		}
		unlock()
	}, nil
}

func holderFile(lock string) string { return lock + ".holder" }

// holders returns the notes of the processes that hold the locks, each once.
func holders(dir string, sets []set) (notes []string) {
	for _, name := range slices.Concat(sets...) {
		lock := flock.New(filepath.Join(dir, fileName(name)))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.Remove(holderFile(lock.Path())) // else it names a process that was killed
			_ = lock.Unlock()
			continue
		}
		note, err := os.ReadFile(holderFile(lock.Path()))
		if err == nil && len(note) > 0 && !slices.Contains(notes, string(note)) {
			notes = append(notes, string(note))
		}
	}
	return notes
}

// describe says what a process waits for.
func describe(holders []string, ahead int) string {
	if len(holders) == 0 {
		holders = []string{"another process"}
	}
	text := strings.Join(holders, "; ")
	switch ahead {
	case 0:
		return text
	case 1:
		return text + "; 1 process waits before this one"
	}
	return fmt.Sprintf("%s; %d processes wait before this one", text, ahead)
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
