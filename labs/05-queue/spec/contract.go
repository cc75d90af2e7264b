package spec

import (
	"context"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/workshop/lab"
)

// contract holds the service against its contract.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.replicas[0])
	if err != nil {
		return err
	}
	if err := contract.Run(ctx, client.Target); err != nil {
		return &lab.Failure{
			Expected: "every promise of the API to be kept", Seen: err.Error(),
			Look: lab.Look{Hint: "Checkout and Payments in publisher.go: what is still done before the answer, and what later?"},
		}
	}
	return nil
}
