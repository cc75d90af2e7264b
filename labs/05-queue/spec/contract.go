package spec

import (
	"context"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// contract runs the contract test on one replica. It needs the worker, which settles payments.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.replicas[0])
	if err != nil {
		return err
	}
	return rig.BrokenPromise(contract.Run(ctx, client.Target),
		lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "see the promise above: keep it in PlaceOrder or Receive, before the answer"})
}
