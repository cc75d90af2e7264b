package rig

import "context"

// InBackground runs a function that returns when its context ends, such as the Run of a controller. End
// ends it, waits for it and returns its error.
func InBackground(do func(context.Context) error) (end func() error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	return func() error {
		stop()
		return <-ended
	}
}
