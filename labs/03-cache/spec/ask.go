package spec

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// pollEvery is the pause between two looks at the database.
const pollEvery = 5 * time.Millisecond

// flush empties Redis.
func (l *trial) flush(ctx context.Context) error {
	if err := l.redis.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("flush redis: %w", err)
	}
	return nil
}

// calls returns the number of queries that the database has answered since pgstat.Reset. The
// key is the table that the statement names first.
func (l *trial) calls(ctx context.Context) (map[string]int64, error) {
	statements, err := pgstat.Read(ctx, l.servers.Pool)
	if err != nil {
		return nil, err
	}
	calls := make(map[string]int64)
	for _, s := range statements {
		calls[s.Table()] += s.Calls
	}
	return calls, nil
}

// get sends a GET to a replica, signed in unless the cookie is empty. That no answer comes is a
// failure: the servers have all of the machine's speed here, and the client waits for seconds.
func (l *trial) get(ctx context.Context, replica *testbed.Service, path, cookie string) (rig.Answer, error) {
	header := make(map[string]string)
	if cookie != "" {
		header["Cookie"] = cookie
	}
	return l.ask(ctx, replica, rig.Request{Method: http.MethodGet, Path: path, Header: header})
}

func (l *trial) ask(ctx context.Context, replica *testbed.Service, r rig.Request) (rig.Answer, error) {
	a, err := rig.Ask(ctx, l.http, replica.URL(), r)
	if err != nil && ctx.Err() == nil {
		return a, &lab.Failure{
			Expected: fmt.Sprintf("an answer of replica %s to %s %s", replica.Name(), r.Method, r.Path), Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "for how long may it wait, and for what?"},
		}
	}
	return a, err
}

// decode decodes the body of an answer.
func decode(a rig.Answer, path string, dst any) error {
	if err := a.Into(dst); err != nil {
		return &lab.Failure{
			Expected: "the answer of the API to GET " + path, Seen: fmt.Sprintf("%v: %s", err, a),
			Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "return the value of the key that was asked for"},
		}
	}
	return nil
}

// contract runs the contract test of the API on the first replica.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	return rig.BrokenPromise(contract.Run(ctx, l.client.Target),
		lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: "which change leaves an old value in Redis, and under which key?"})
}
