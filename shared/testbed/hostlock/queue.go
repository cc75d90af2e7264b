package hostlock

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// doorDelay is the time between two tries to open a queue's door, which each process holds for less than
// a millisecond.
const doorDelay = 2 * time.Millisecond

// queue is the folder of the tickets of one lock. A ticket is a file whose name is its number. The owner
// keeps the kernel's lock on the file, so a ticket without that lock is left over from a process that has
// ended. The queue decides only the order: if its files are lost, the lock still excludes.
type queue string

// ticket is a place in a queue.
type ticket struct {
	queue  queue
	number int
	file   *flock.Flock
}

// join takes the next number.
func (q queue) join(ctx context.Context) (t *ticket, err error) {
	err = q.inside(ctx, func(numbers []int) error {
		t = &ticket{queue: q, number: 1}
		if len(numbers) > 0 {
			t.number += slices.Max(numbers)
		}
		t.file = flock.New(q.path(t.number))
		locked, err := t.file.TryLock()
		if err == nil && !locked {
			err = fmt.Errorf("ticket %d is taken", t.number)
		}
		return err
	})
	return t, err
}

// ahead counts the processes that wait with a lower number. It removes the tickets of those that have
// ended.
func (t *ticket) ahead(ctx context.Context) (n int, err error) {
	err = t.queue.inside(ctx, func(numbers []int) error {
		for _, number := range numbers {
			if number >= t.number {
				continue
			}
			file := flock.New(t.queue.path(number))
			ended, err := file.TryLock()
			if err != nil {
				return err
			}
			if !ended {
				n++
			}
			// Windows removes no open file.
			if err := file.Close(); err != nil {
				return err
			}
			if ended {
				_ = os.Remove(file.Path()) // a ticket that stays is swept by the next process
			}
		}
		return nil
	})
	return n, err
}

// leave gives the ticket back. Where an open file cannot be removed, the next process sweeps the ticket.
func (t *ticket) leave() {
	_ = os.Remove(t.file.Path())
	_ = t.file.Close()
}

// inside calls do with the numbers of all tickets, while no other process changes them.
func (q queue) inside(ctx context.Context, do func(numbers []int) error) error {
	if err := os.MkdirAll(string(q), 0o755); err != nil {
		return err
	}
	door := flock.New(filepath.Join(string(q), "door"))
	for {
		open, err := door.TryLock()
		if err != nil {
			return err
		}
		if open {
			break
		}
		select {
		case <-ctx.Done():
			_ = door.Close()
			return context.Cause(ctx)
		case <-time.After(doorDelay):
		}
	}
	defer func() { _ = door.Close() }() // the kernel then releases the door
	files, err := os.ReadDir(string(q))
	if err != nil {
		return err
	}
	var numbers []int
	for _, file := range files {
		if number, err := strconv.Atoi(file.Name()); err == nil && number > 0 {
			numbers = append(numbers, number)
		}
	}
	return do(numbers)
}

func (q queue) path(number int) string { return filepath.Join(string(q), strconv.Itoa(number)) }
