package bytebites_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

func TestNewUserIDGrowsWithTime(t *testing.T) {
	shape := regexp.MustCompile(`^v[0-9a-v]{26}$`)
	seeded := []bytebites.UserID{"u0000001", "u0100000", "u9999999", "u9999999z"}
	last := slices.Max(seeded)
	for _, now := range []time.Time{
		time.Unix(-1, 0), // counts as 1970
		time.UnixMilli(1),
		time.UnixMilli(31),
		time.UnixMilli(32), // one more digit
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 1, 1, 0, 0, 0, int(time.Millisecond), time.FixedZone("", 0)),
		time.Date(2026, 1, 1, 1, 0, 0, int(2*time.Millisecond), time.FixedZone("", 3600)), // the next millisecond, in another time zone
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		id := bytebites.NewUserID(now)
		if id <= last {
			t.Errorf("%v: %s is not after %s", now, id, last)
		}
		if !shape.MatchString(string(id)) {
			t.Errorf("%v: %s is not of the shape %v", now, id, shape)
		}
		last = id
	}
}

func TestNewUserIDIsUnique(t *testing.T) {
	const goroutines, each = 4, 5_000
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // the clocks of all replicas agree
	made := make(chan []bytebites.UserID, goroutines)
	for range goroutines {
		go func() {
			ids := make([]bytebites.UserID, each)
			for i := range ids {
				ids[i] = bytebites.NewUserID(now)
			}
			made <- ids
		}()
	}
	var all []bytebites.UserID
	for range goroutines {
		all = append(all, <-made...)
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != goroutines*each {
		t.Errorf("%d different ids of %d", n, goroutines*each)
	}
	// An id of the next millisecond is greater than all of these ids.
	if next := bytebites.NewUserID(now.Add(time.Millisecond)); next <= all[goroutines*each-1] {
		t.Errorf("%s is not after %s", next, all[goroutines*each-1])
	}
}
