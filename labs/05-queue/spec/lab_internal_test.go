package spec

import (
	"slices"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestLists(t *testing.T) {
	subject := Subject{Files: fstest.MapFS{}}
	if err := Lab(subject).Validate(); err != nil {
		t.Error(err)
	}
	if err := Full(subject).Validate(); err != nil {
		t.Error(err)
	}
}

// Code that does all work inside the request passes some checks of the queue on real servers by
// accident.
func TestLaterChecksNeedAQueue(t *testing.T) {
	list := Lab(Subject{Files: fstest.MapFS{}}).List()
	for _, entry := range list {
		if entry.Step == 1 || entry.Step == 2 || !entry.Servers {
			continue
		}
		for _, proof := range []string{doesNotWait, newConsumer} {
			if !needs(list, entry, proof) {
				t.Errorf("%q does not need %q", entry.Name, proof)
			}
		}
	}
}

// needs reports whether an entry needs another, directly or through others.
func needs(list lab.Listing, entry lab.Listed, name string) bool {
	return slices.Contains(entry.Needs, name) || slices.ContainsFunc(list, func(other lab.Listed) bool {
		return slices.Contains(entry.Needs, other.Name) && needs(list, other, name)
	})
}

// TestBacklogShared: half each is what workers of one size do, and an exclusive consumer leaves the other
// none. How long they took does not count.
func TestBacklogShared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second uint64
		ok            bool
	}{
		{24, 24, true}, {36, 12, true}, {12, 36, true}, {37, 11, false}, {0, 48, false}, {48, 0, false}, {0, 0, false},
	} {
		if err := backlogShared(c.first, c.second); (err == nil) != c.ok {
			t.Errorf("%d and %d plans: %v, want ok %t", c.first, c.second, err, c.ok)
		}
	}
}
