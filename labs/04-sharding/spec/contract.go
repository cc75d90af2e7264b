package spec

import (
	"context"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/workshop/lab"
)

// contract checks the service against its API contract, wherever the subscribers are.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.replicas[0])
	if err != nil {
		return err
	}
	if err := contract.Run(ctx, client.Target); err != nil {
		return &lab.Failure{
			Expected: "the API contract to be kept", Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "stores.go", Func: "stores.Read", Hint: "does each question reach the server that has the answer?"},
		}
	}
	return nil
}
