package service

import "errors"

// closers are the functions that close what the parts of a service have opened.
type closers []func() error

func (c *closers) add(close func() error) { *c = append(*c, close) }

// close calls all of them in reverse order and returns their errors, joined. An error does not stop
// it.
func (c *closers) close() error {
	var failures []error
	for i := len(*c) - 1; i >= 0; i-- {
		failures = append(failures, (*c)[i]())
	}
	*c = nil
	return errors.Join(failures...)
}
