package engine

import "strings"

// Unavailable is a failure of the environment and not of the code under test: no engine, no
// image, no disk. Test for it with errors.As and a *Unavailable.
type Unavailable struct {
	Problem string
	Remedy  string // how to correct the problem
	Err     error  // the cause; may be nil
}

func (u *Unavailable) Error() string {
	var b strings.Builder
	b.WriteString(u.Problem)
	if u.Err != nil {
		b.WriteString(": ")
		b.WriteString(strings.ReplaceAll(u.Err.Error(), "\n", "; "))
	}
	if u.Remedy != "" {
		b.WriteString(" (to do: ")
		b.WriteString(u.Remedy)
		b.WriteString(")")
	}
	return b.String()
}

func (u *Unavailable) Unwrap() error { return u.Err }
