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
)

const (
	// visitors sign in, from a number on that no load signs in.
	firstVisitor = 941
	visitors     = 6
	// visits are how often each of them then asks who they are, on each replica.
	visits = 5
)

// sessions signs people in, empties Redis at once, and looks who they are then; and signs
// one of them out.
func (l *trial) sessions(ctx context.Context, run *lab.Run) error {
	emails := make([]string, visitors)
	for i := range emails {
		emails[i] = seed.Email(firstVisitor + i)
	}
	signedIn, err := load.Login(ctx, l.replicas[0].URL(), seed.Password, emails)
	if err != nil {
		return &lab.Failure{Expected: "people to be signed in", Seen: err.Error(), Look: lab.Look{Hint: "sessions.go"}}
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.visit(ctx, signedIn, "when Redis had lost everything"); err != nil {
		return err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	for range visits {
		if err := l.visit(ctx, signedIn, "all at once"); err != nil {
			return err
		}
	}
	calls, err := l.calls(ctx)
	if err != nil {
		return err
	}
	run.Report(fmt.Sprintf("queries for sessions, %d visits of %d people", 2*visits, visitors), float64(calls["sessions"]), "")
	if calls["sessions"] > 2*visitors {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most one query a person and replica in %d visits of %d people", 2*visits, visitors),
			Seen:     fmt.Sprintf("%d", calls["sessions"]), Look: lab.Look{Hint: "Session in sessions.go"},
		}
	}
	return l.signOut(ctx, signedIn[0])
}

// visit has everybody ask both replicas who they are, all at once.
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
				if a.status == http.StatusOK {
					if err := a.into(&me); err != nil {
						return err
					}
				}
				if me.Email != person.Email {
					return &lab.Failure{
						Expected: fmt.Sprintf("replica %s to know %s, %s", replica.Name(), person.Email, when),
						Seen:     fmt.Sprintf("status %d: %.200s", a.status, a.body),
						Look:     lab.Look{Hint: "sessions.go: where is a session safe, and under which name is it kept?"},
					}
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// signOut signs somebody out on the first replica, when both have just seen them.
func (l *trial) signOut(ctx context.Context, person load.Session) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, l.replicas[0].URL()+"/sessions", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Cookie", person.Cookie)
	response, err := l.http.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	for _, replica := range l.replicas {
		a, err := l.get(ctx, replica, "/me", person.Cookie)
		if err != nil {
			return err
		}
		if a.status != http.StatusUnauthorized {
			return &lab.Failure{
				Expected: fmt.Sprintf("status 401 from replica %s for somebody who has signed out", replica.Name()),
				Seen:     fmt.Sprintf("%d: %.200s", a.status, a.body), Look: lab.Look{Hint: "Delete in sessions.go"},
			}
		}
	}
	return nil
}
