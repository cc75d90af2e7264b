package spec

import (
	"context"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/workshop/lab"
)

// contract runs the contract test on one replica. It needs the worker, which settles payments.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.replicas[0])
	if err != nil {
		return err
	}
	if err := contract.Run(ctx, client.Target); err != nil {
		return &lab.Failure{
			Expected: "every promise of the API to be kept", Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "see the promise above: which work of PlaceOrder or of Receive must be done before the answer?"},
		}
	}
	return nil
}
