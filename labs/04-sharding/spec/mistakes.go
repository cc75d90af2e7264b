package spec

import (
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

// mostListed is how many mistakes a failure lists.
const mostListed = 5

// mistakes are the mistakes that a check found, a sentence each. They know whether all of them rest on
// time, because then a machine without idle time explains them.
type mistakes struct {
	listed []string // mostListed of them
	n      int
	waited lab.Waited
}

// addf adds a mistake, and the wait that it rests on; the zero value when it does not rest on time.
func (m *mistakes) addf(waited lab.Waited, format string, args ...any) {
	if m.n == 0 {
		m.waited = waited
	} else {
		m.waited = lab.All(m.waited, waited)
	}
	m.n++
	if len(m.listed) < mostListed {
		m.listed = append(m.listed, fmt.Sprintf(format, args...))
	}
}

// failure returns a failure that shows the mistakes, or nil when there are none.
func (m *mistakes) failure(expected string, look lab.Look) error {
	if m.n == 0 {
		return nil
	}
	return &lab.Failure{Expected: expected, Seen: fmt.Sprintf("%d: %s", m.n, m), Waited: m.waited, Look: look}
}

func (m *mistakes) String() string {
	all := strings.Join(m.listed, "; ")
	if more := m.n - len(m.listed); more > 0 {
		return fmt.Sprintf("%s; and %d more", all, more)
	}
	return all
}
