package lab_test

import (
	"errors"
	"testing"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestSeries(t *testing.T) {
	var s lab.Series
	if got := s.Take("bed"); got != nil {
		t.Errorf("an empty series has %v", got)
	}
	closed := 0
	failure := errors.New("engine gone")
	end := func() error { closed++; return failure }
	s.Keep("bed", "first", end)
	if got := s.Take("bed"); got != "first" {
		t.Errorf("took %v, want the first", got)
	}
	if got := s.Take("bed"); got != nil {
		t.Errorf("took %v twice", got)
	}
	if err := s.Close(); err != nil || closed != 0 {
		t.Errorf("closed what was taken: %v, %d calls", err, closed)
	}
	s.Keep("bed", "second", end)
	s.Keep("bed", "third", end)
	if got := s.Take("bed"); got != "third" {
		t.Errorf("took %v of two, want the last one kept", got)
	}
	if err := s.Close(); !errors.Is(err, failure) || closed != 1 {
		t.Errorf("close: %v, %d calls; want the error and one call", err, closed)
	}
	if err := s.Close(); err != nil || closed != 1 {
		t.Errorf("second close: %v, %d calls; want neither", err, closed)
	}
}
