package spec

import (
	"errors"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// On a machine without idle time a right copy may end by its own limit, and then nothing follows for the code.
func TestUnlessLate(t *testing.T) {
	failure, other := &lab.Failure{Expected: "a copy", Seen: "none"}, errors.New("no connection")
	for name, test := range map[string]struct {
		took  time.Duration
		err   error
		doubt bool
	}{
		"a quick write without a copy": {copyWithin - 1, failure, false},
		"a late write without a copy":  {copyWithin, failure, true},
		"a late write, another error":  {copyWithin, other, false},
	} {
		var doubt *lab.Doubt
		if err := unlessLate(ended{took: test.took}, test.err); errors.As(err, &doubt) != test.doubt {
			t.Errorf("%s: %v; want a doubt: %v", name, err, test.doubt)
		}
	}
}
