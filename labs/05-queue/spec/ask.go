package spec

import (
	"context"

	"bytebites.example/workshop/shared/workshop/rig"
)

// ask sends a request to the replicas in turn. An error means that no answer came.
func (l *trial) ask(ctx context.Context, r rig.Request) (rig.Answer, error) {
	replica := l.replicas[int(l.turn.Add(1))%len(l.replicas)]
	return rig.Ask(ctx, l.http, replica.URL(), r)
}
