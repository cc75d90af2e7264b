package service

import "errors"

// closers close what the parts of a service have opened.
type closers []func() error

func (c *closers) add(close func() error) { *c = append(*c, close) }

// close calls all of them, the last one added first, whatever the others return.
func (c *closers) close() error {
	var failures []error
	for i := len(*c) - 1; i >= 0; i-- {
		failures = append(failures, (*c)[i]())
	}
	*c = nil
	return errors.Join(failures...)
}
