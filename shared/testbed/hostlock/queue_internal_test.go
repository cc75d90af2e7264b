package hostlock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

func TestTickets(t *testing.T) {
	for name, c := range map[string]struct {
		waiting, dead []int
		other         []string // files that are no tickets
		number, ahead int
		left          []int
	}{
		"an empty queue":                 {number: 1, left: []int{1}},
		"one waits":                      {waiting: []int{1}, number: 2, ahead: 1, left: []int{1, 2}},
		"nine and ten wait":              {waiting: []int{9, 10}, number: 11, ahead: 2, left: []int{9, 10, 11}},
		"one has ended":                  {dead: []int{1}, number: 2, left: []int{2}},
		"the first of two has ended":     {waiting: []int{2}, dead: []int{1}, number: 3, ahead: 1, left: []int{2, 3}},
		"the last of two has ended":      {waiting: []int{1}, dead: []int{2}, number: 3, ahead: 1, left: []int{1, 3}},
		"all before have ended":          {dead: []int{3, 4, 7}, number: 8, left: []int{8}},
		"numbers with gaps":              {waiting: []int{2, 40}, dead: []int{7}, number: 41, ahead: 2, left: []int{2, 40, 41}},
		"files that are no tickets":      {other: []string{"notes", "0", "-3", "99999999999999999999"}, number: 1, left: []int{1}},
		"no tickets, and one that waits": {waiting: []int{5}, other: []string{"notes"}, number: 6, ahead: 1, left: []int{5, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			q := queue(t.TempDir())
			for _, number := range c.waiting {
				lock := flock.New(q.path(number))
				if locked, err := lock.TryLock(); err != nil || !locked {
					t.Fatal(locked, err)
				}
				defer lock.Close() //nolint:errcheck // the test ends
			}
			for _, number := range c.dead {
				if err := os.WriteFile(q.path(number), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range c.other {
				if err := os.WriteFile(filepath.Join(string(q), name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			mine, err := q.join(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ahead, err := mine.ahead(t.Context())
			if err != nil || mine.number != c.number || ahead != c.ahead {
				t.Errorf("ticket %d with %d ahead, %v; want %d with %d", mine.number, ahead, err, c.number, c.ahead)
			}
			if left := numbersIn(t, q); !slices.Equal(left, c.left) {
				t.Errorf("the tickets are %v, want %v", left, c.left)
			}
			mine.leave()
			if left := numbersIn(t, q); slices.Contains(left, mine.number) {
				t.Errorf("the tickets are %v after %d has left", left, mine.number)
			}
		})
	}
}

func numbersIn(t *testing.T, q queue) (all []int) {
	t.Helper()
	err := q.inside(t.Context(), func(numbers []int) error {
		all = numbers
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// A process that waits at the door, which another holds, ends with its context.
func TestDoorThatStaysClosed(t *testing.T) {
	q := queue(t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := q.inside(t.Context(), func([]int) error {
		_, err := q.join(ctx)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestDescribe(t *testing.T) {
	for name, c := range map[string]struct {
		holders []string
		ahead   int
		want    string
	}{
		"one holder":          {[]string{"process 1"}, 0, "process 1"},
		"two holders":         {[]string{"process 1", "process 2"}, 0, "process 1; process 2"},
		"no holder is known":  {nil, 0, "another process"},
		"one waits before":    {[]string{"process 1"}, 1, "process 1; 1 process waits before this one"},
		"several wait before": {[]string{"process 1"}, 3, "process 1; 3 processes wait before this one"},
		"between two holders": {nil, 2, "another process; 2 processes wait before this one"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := describe(c.holders, c.ahead); got != c.want {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}

func TestHolderIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	pair := set{core(0), core(1)}
	release, err := pair.try(dir, "machine slot")
	if err != nil || release == nil {
		t.Fatalf("a free slot is not given: %v", err)
	}
	sets := []set{{core(1)}, {core(0)}}
	if notes := holders(dir, sets); len(notes) != 1 {
		t.Errorf("the holder of a slot is named as %q", notes)
	}
	if again, err := (set{core(1)}).try(dir, "machine core"); again != nil || err != nil {
		t.Errorf("a core of a taken slot is given away: %v", err)
	}
	release()
	// A process that was killed leaves its note.
	if err := os.WriteFile(holderFile(filepath.Join(dir, fileName(core(0)))), []byte("process 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if notes := holders(dir, sets); len(notes) != 0 {
		t.Errorf("free cores are held by %q", notes)
	}
}

// If one lock of a set is held, the other locks of the set stay free.
func TestSetIsTakenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	release, err := (set{core(1)}).try(dir, "machine core")
	if err != nil || release == nil {
		t.Fatalf("a free core is not given: %v", err)
	}
	defer release()
	if slot, err := (set{core(0), core(1)}).try(dir, "machine slot"); slot != nil || err != nil {
		t.Fatalf("a slot is given while one of its cores is taken: %v", err)
	}
	other, err := (set{core(0)}).try(dir, "machine core")
	if err != nil || other == nil {
		t.Fatalf("the other core is not free any more: %v", err)
	}
	other()
}
