package spec

import (
	"testing"
	"testing/fstest"
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
