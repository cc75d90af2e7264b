package spec

import (
	"context"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// contract checks the service against its API contract, wherever the subscribers are.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.replicas[0])
	if err != nil {
		return err
	}
	return rig.BrokenPromise(contract.Run(ctx, client.Target),
		lab.Look{File: "stores.go", Func: "stores.Read", Hint: "does each question reach the server that has the answer?"})
}
