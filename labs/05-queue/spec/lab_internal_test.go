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
