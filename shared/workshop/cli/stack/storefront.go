package stack

import (
	"context"
	"slices"
)

// Storefront returns the base URL of the running stack's storefront. Of several it returns the one
// of the highest lab. Without one, the error says how to start the stack.
func (s *Stack) Storefront(ctx context.Context) (string, error) {
	e, file, err := s.existing(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = e.Close() }()
	running, err := s.running(ctx, e, file)
	if err != nil {
		return "", err
	}
	for _, door := range slices.Backward(frontDoors(s.Course)) {
		if slices.Contains(running, door.service) {
			return s.address(file, door.variable), nil
		}
	}
	return "", unavailable("no stack is up", "run: go tool workshop up")
}
