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
			Look: lab.Look{Hint: "stores.go: is each question asked of the server that has the answer?"},
		}
	}
	return nil
}

// contractOnShards does so when everybody has been moved.
func (l *trial) contractOnShards(ctx context.Context, run *lab.Run) error {
	if err := l.needsMigration(); err != nil {
		return err
	}
	return l.contract(ctx, run)
}
