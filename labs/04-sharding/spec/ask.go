package spec

import (
	"context"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

// request is a request to a replica.
type request struct {
	method, path string
	cookie       string // of a session; may be empty
	key          string // the Idempotency-Key; may be empty
	body         any    // sent as JSON unless nil
}

// ask sends a request to a replica. It returns an error when there was no answer.
func (l *trial) ask(ctx context.Context, replica *testbed.Service, r request) (rig.Answer, error) {
	header := make(map[string]string)
	if r.cookie != "" {
		header["Cookie"] = r.cookie
	}
	if r.key != "" {
		header["Idempotency-Key"] = r.key
	}
	return rig.Ask(ctx, l.http, replica.URL(), rig.Request{Method: r.method, Path: r.path, Header: header, Body: r.body})
}
