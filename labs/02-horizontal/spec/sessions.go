package spec

import (
	"context"
	"fmt"
	"net/http"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// anySession signs a subscriber in at each replica and asks every replica for the session.
// The subscriber signs out at another replica, and must then be signed out at all.
func (l *trial) anySession(ctx context.Context, _ *lab.Run) error {
	for i, home := range l.fleet.Replicas {
		if err := l.comeAndGo(ctx, i, home, l.fleet.Replicas[(i+1)%replicas]); err != nil {
			return err
		}
	}
	return nil
}

// comeAndGo has visitor n sign in at one replica and out at another.
func (l *trial) comeAndGo(ctx context.Context, n int, in, out *testbed.Service) error {
	v := newVisitor()
	defer v.close()
	if _, err := v.signIn(ctx, in.URL(), n); err != nil {
		return &lab.Failure{Expected: "a subscriber to be signed in at " + in.Name(), Seen: err.Error(), Waited: lab.Late(err), Look: lab.Look{File: "sessions.go", Func: "Sessions.Create"}}
	}
	odd, status, err := l.askEverywhere(ctx, v, http.StatusOK)
	switch {
	case err != nil:
		return err
	case odd != "":
		return &lab.Failure{
			Expected: fmt.Sprintf("%s to know the subscriber that signed in at %s", odd, in.Name()),
			Seen:     fmt.Sprintf("status %d for GET /me", status),
			Look:     lab.Look{File: "sessions.go", Func: "Sessions.Session", Hint: "keep sessions in the database, where all replicas can read them"},
		}
	}
	cookie := v.cookie
	if _, err := v.send(ctx, http.MethodDelete, out.URL()+"/sessions", nil, nil); err != nil {
		return err
	}
	v.cookie = cookie // as a thief would keep it
	odd, status, err = l.askEverywhere(ctx, v, http.StatusUnauthorized)
	switch {
	case err != nil:
		return err
	case odd != "":
		return &lab.Failure{
			Expected: fmt.Sprintf("%s to refuse the subscriber that signed out at %s", odd, out.Name()),
			Seen:     fmt.Sprintf("status %d for GET /me", status),
			Look:     lab.Look{File: "sessions.go", Func: "Sessions.Delete", Hint: "delete the row in the database, and keep no copy in the replica"},
		}
	}
	return nil
}

// askEverywhere sends GET /me to every replica, past nginx. It returns the name of the first
// replica that does not answer with the wanted status, and its status.
func (l *trial) askEverywhere(ctx context.Context, v *visitor, want int) (odd string, status int, err error) {
	for _, r := range l.fleet.Replicas {
		got, err := v.get(ctx, r.URL()+"/me")
		if err != nil {
			return "", 0, err
		}
		if got.status != want {
			return r.Name(), got.status, nil
		}
	}
	return "", 0, nil
}
