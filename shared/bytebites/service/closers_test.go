package service

import (
	"errors"
	"slices"
	"testing"
)

func TestClosersCloseAllInReverse(t *testing.T) {
	var c closers
	var closed []int
	failure := errors.New("stuck")
	for i := range 3 {
		c.add(func() error {
			closed = append(closed, i)
			if i == 1 {
				return failure
			}
			return nil
		})
	}
	if err := c.close(); !errors.Is(err, failure) {
		t.Errorf("got %v, want the error of the one that failed", err)
	}
	if want := []int{2, 1, 0}; !slices.Equal(closed, want) {
		t.Errorf("closed %v, want %v", closed, want)
	}
	if err := c.close(); err != nil || len(closed) != 3 {
		t.Errorf("a second time: %v, closed %v", err, closed)
	}
}
