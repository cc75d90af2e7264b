package spec

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// visitors subscribers sign in, the first with the number firstVisitor. No load signs them
	// in.
	firstVisitor = 941
	visitors     = 6
	// visits is how often each visitor then asks each replica for their profile.
	visits = 5
)

// sessions signs visitors in, empties Redis at once, and demands that both replicas still
// know them. Then it counts the queries of further visits, and signs one visitor out.
func (l *trial) sessions(ctx context.Context, run *lab.Run) error {
	signedIn, err := l.signInVisitors(ctx, visitors)
	if err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.visit(ctx, signedIn, "after Redis has lost all keys"); err != nil {
		return err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	for range visits {
		if err := l.visit(ctx, signedIn, "when all visitors ask at once"); err != nil {
			return err
		}
	}
	calls, err := l.calls(ctx)
	if err != nil {
		return err
	}
	run.Report(fmt.Sprintf("queries for sessions, %d visits of %d subscribers", 2*visits, visitors), float64(calls["sessions"]), "")
	if calls["sessions"] > 2*visitors {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most one query per subscriber and replica for %d visits of %d subscribers", 2*visits, visitors),
			Seen:     fmt.Sprintf("%d", calls["sessions"]),
			Look:     lab.Look{File: "sessions.go", Func: "sessions.Session", Hint: "read the session through the cache"},
		}
	}
	return l.signOut(ctx, signedIn[0])
}

// signInVisitors signs that many visitors in with the first replica.
func (l *trial) signInVisitors(ctx context.Context, number int) ([]load.Session, error) {
	emails := make([]string, number)
	for i := range emails {
		emails[i] = seed.Email(firstVisitor + i)
	}
	signedIn, err := load.Login(ctx, l.replicas[0].URL(), seed.Password, emails)
	if err != nil {
		return nil, &lab.Failure{
			Expected: "subscribers who can sign in", Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "sessions.go", Func: "sessions.Create", Hint: "which error does it return?"},
		}
	}
	return signedIn, nil
}

// visit has all visitors ask both replicas for their profile at the same time.
func (l *trial) visit(ctx context.Context, people []load.Session, when string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, person := range people {
		for _, replica := range l.replicas {
			group.Go(func() error {
				a, err := l.get(ctx, replica, "/me", person.Cookie)
				if err != nil {
					return err
				}
				var me struct {
					Email string `json:"email"`
				}
				if a.Status == http.StatusOK {
					if err := decode(a, "/me", &me); err != nil {
						return err
					}
				}
				if me.Email != person.Email {
					return &lab.Failure{
						Expected: fmt.Sprintf("replica %s to answer with the profile of %s, %s", replica.Name(), person.Email, when),
						Seen:     a.String(), Waited: a.Waited(),
						Look: lab.Look{File: "sessions.go", Func: "sessions.Create", Hint: "is a session in the database before the answer, and under a key of its own in Redis?"},
					}
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// signOut signs a subscriber out on the first replica, just after both replicas have read
// the session.
func (l *trial) signOut(ctx context.Context, person load.Session) error {
	out, err := l.ask(ctx, l.replicas[0], rig.Request{Method: http.MethodDelete, Path: "/sessions", Header: map[string]string{"Cookie": person.Cookie}})
	if err != nil {
		return err
	}
	if out.Status != http.StatusNoContent {
		return &lab.Failure{
			Expected: "status 204 for a sign-out", Seen: out.String(),
			Look: lab.Look{File: "sessions.go", Func: "sessions.Delete", Hint: "which error does it return?"},
		}
	}
	for _, replica := range l.replicas {
		a, err := l.get(ctx, replica, "/me", person.Cookie)
		if err != nil {
			return err
		}
		if a.Status != http.StatusUnauthorized {
			return &lab.Failure{
				Expected: fmt.Sprintf("status 401 from replica %s for a subscriber who has signed out", replica.Name()),
				Seen:     fmt.Sprintf("%d: %.200s", a.Status, a.Body),
				Look:     lab.Look{File: "sessions.go", Func: "sessions.Delete", Hint: "what becomes of the copy in Redis?"},
			}
		}
	}
	return nil
}
