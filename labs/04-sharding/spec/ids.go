package spec

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// drawers draw ids at the same time.
	drawers = 8
	// orderers place some orders each, by turns on either replica.
	orderers, ordersEach = 3, 4
	// legacyIDs are looked at, of those that were drawn before there were buckets.
	legacyIDs = 10_000
)

// idPattern is what goes into a path without being escaped.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// ids draws ids for orders here, and has orders placed on both replicas.
func (l *trial) ids(ctx context.Context, _ *lab.Run) error {
	if err := guarded("NewOrderID and BucketOf in router.go", l.drawnIDs); err != nil {
		return err
	}
	return l.placedIDs(ctx)
}

// drawnIDs draws many at once.
func (l *trial) drawnIDs() error {
	var drawing errgroup.Group
	drawn := make([][]bytebites.OrderID, drawers)
	for d := range drawers {
		drawing.Go(func() error {
			return guarded("NewOrderID and BucketOf in router.go", func() error {
				for n := range manyIDs / drawers {
					user := seed.User(1 + n) // all of them draw for the same people
					id := l.subject.Router.NewOrderID(user)
					if err := l.wantNamed(user, id); err != nil {
						return err
					}
					drawn[d] = append(drawn[d], id)
				}
				return nil
			})
		})
	}
	if err := drawing.Wait(); err != nil {
		return err
	}
	seen := make(map[bytebites.OrderID]bool, manyIDs)
	for _, ids := range drawn {
		for _, id := range ids {
			if seen[id] {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d different ids for as many orders", manyIDs), Seen: fmt.Sprintf("%s twice", id),
					Look: lab.Look{Hint: "NewOrderID in router.go: who else draws at this moment?"},
				}
			}
			seen[id] = true
		}
	}
	return l.unnamedIDs()
}

// wantNamed demands that an id can be told, and names the bucket of whose order it is.
func (l *trial) wantNamed(user bytebites.UserID, id bytebites.OrderID) error {
	if !idPattern.MatchString(string(id)) {
		return &lab.Failure{
			Expected: "ids of 8 to 64 letters, digits, '_' and '-'", Seen: fmt.Sprintf("%.80q", id), Look: lab.Look{Hint: "NewOrderID in router.go"},
		}
	}
	want := l.subject.Router.Bucket(user)
	if bucket, ok := l.subject.Router.BucketOf(id); !ok || bucket != want {
		seen := fmt.Sprintf("bucket %d", bucket)
		if !ok {
			seen = "no bucket"
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("order %s of %s to name bucket %d", id, user, want), Seen: seen,
			Look: lab.Look{Hint: "NewOrderID and BucketOf in router.go: an order that is looked for by its id alone must say where it is"},
		}
	}
	return nil
}

// unnamedIDs looks at ids that name no bucket.
func (l *trial) unnamedIDs() error {
	for range legacyIDs {
		for _, id := range []bytebites.OrderID{checkout.NewOrderID(), postgres.SeededOrderPrefix + checkout.NewOrderID()} {
			if bucket, ok := l.subject.Router.BucketOf(id); ok {
				return &lab.Failure{
					Expected: fmt.Sprintf("%s, which is from before there were buckets, to name none", id), Seen: fmt.Sprintf("bucket %d", bucket),
					Look: lab.Look{Hint: "BucketOf in router.go: by what can it tell an old id from a new one?"},
				}
			}
		}
	}
	for _, text := range hostile() {
		if bucket, ok := l.subject.Router.BucketOf(bytebites.OrderID(text)); ok && (bucket < 0 || bucket >= shard.Buckets) {
			return &lab.Failure{
				Expected: fmt.Sprintf("no bucket for order %.40q, or one there is", text), Seen: fmt.Sprintf("bucket %d", bucket),
				Look: lab.Look{Hint: "BucketOf in router.go: ids come from clients, who may send anything"},
			}
		}
	}
	return nil
}

// placedIDs has some people place orders on both replicas by turns.
func (l *trial) placedIDs(ctx context.Context) error {
	seen := make(map[bytebites.OrderID]bool)
	for _, p := range l.people[:orderers] {
		for n := range ordersEach {
			w := p.order()
			a, err := l.ask(ctx, l.replicas[n%len(l.replicas)], w.request)
			if err != nil {
				return err
			}
			if a.status != http.StatusCreated {
				return &lab.Failure{
					Expected: "an order to be placed on replica " + l.replicas[n%len(l.replicas)].Name(),
					Seen:     fmt.Sprintf("status %d: %.200s", a.status, a.body),
					Look:     lab.Look{Hint: "NewOrderID in router.go: what keeps two replicas from drawing the same id?"},
				}
			}
			if err := w.acknowledged(a); err != nil {
				return err
			}
			id := p.orders[w.request.key].id
			if seen[id] {
				return &lab.Failure{
					Expected: "an id of its own for each order", Seen: fmt.Sprintf("%s from both replicas", id),
					Look: lab.Look{Hint: "NewOrderID in router.go: what keeps two replicas from drawing the same id?"},
				}
			}
			seen[id] = true
			if err := l.wantNamed(p.user, id); err != nil {
				return err
			}
		}
	}
	return nil
}
