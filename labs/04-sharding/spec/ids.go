package spec

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// drawers is how many goroutines draw ids at the same time.
	drawers = 8
	// orderers place ordersEach orders each, on one replica and then on the other.
	orderers, ordersEach = 3, 4
	// legacyIDs is how many ids in the form of before this lab are checked.
	legacyIDs = 10_000
	// mutatedIDs is how many ids are changed, character by character.
	mutatedIDs = 200
)

// idPattern matches ids that need no escaping in a path.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// ids draws many order ids at once, in this process.
func (l *trial) ids(context.Context, *lab.Run) error {
	return answered(routerTimeout, lookID(), l.drawnIDs)
}

func lookID() lab.Look { return lab.Look{File: "router.go", Func: "router.NewOrderID"} }

func (l *trial) drawnIDs() error {
	var drawing errgroup.Group
	drawn := make([][]bytebites.OrderID, drawers)
	for d := range drawers {
		drawing.Go(func() error {
			return guarded(lookID(), func() error {
				for n := range manyIDs / drawers {
					user := seed.User(1 + n) // all goroutines draw for the same subscribers
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
					Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "do two callers at the same moment get different ids?"},
				}
			}
			seen[id] = true
		}
	}
	return l.unnamedIDs()
}

// wantNamed demands an id that fits into a path and names the bucket of its subscriber.
func (l *trial) wantNamed(user bytebites.UserID, id bytebites.OrderID) error {
	if !idPattern.MatchString(string(id)) {
		return &lab.Failure{
			Expected: "ids of 8 to 64 letters, digits, '_' and '-'", Seen: fmt.Sprintf("%.80q", id), Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "ids are parts of paths"},
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
			Look: lab.Look{File: "router.go", Func: "router.BucketOf", Hint: "does it read what NewOrderID writes?"},
		}
	}
	return nil
}

// unnamedIDs checks ids that name no bucket.
func (l *trial) unnamedIDs() error {
	for range legacyIDs {
		for _, id := range []bytebites.OrderID{checkout.NewOrderID(), postgres.SeededOrderPrefix + checkout.NewOrderID()} {
			if bucket, ok := l.subject.Router.BucketOf(id); ok {
				return &lab.Failure{
					Expected: fmt.Sprintf("%s, an id from before there were buckets, to name none", id), Seen: fmt.Sprintf("bucket %d", bucket),
					Look: lab.Look{File: "router.go", Func: "router.BucketOf", Hint: "how does a new id differ from an old one?"},
				}
			}
		}
	}
	for _, text := range slices.Concat(hostile(), l.mutated()) {
		if bucket, ok := l.subject.Router.BucketOf(bytebites.OrderID(text)); ok && (bucket < 0 || bucket >= shard.Buckets) {
			return &lab.Failure{
				Expected: fmt.Sprintf("no bucket for order %.40q, or a bucket from 0 to 1023", text), Seen: fmt.Sprintf("bucket %d", bucket),
				Look: lab.Look{File: "router.go", Func: "router.BucketOf", Hint: "ids come from clients, and clients may send anything"},
			}
		}
	}
	return nil
}

// mutated returns ids that differ from valid ones in one character, or in length.
func (l *trial) mutated() []string {
	var all []string
	for n := range mutatedIDs {
		id := string(l.subject.Router.NewOrderID(seed.User(1 + n)))
		for at := range len(id) {
			for _, c := range []string{"", "f", "F", "9", "z", "-", "_", "\x00", "é"} {
				all = append(all, id[:at]+c+id[at+1:])
			}
		}
	}
	return all
}

// idsOnReplicas places orders on both replicas by turns. An id that depends on a counter or a
// seed of the process is unique in one replica only.
func (l *trial) idsOnReplicas(ctx context.Context, _ *lab.Run) error {
	seen := make(map[bytebites.OrderID]bool)
	for _, p := range l.people[:orderers] {
		for n := range ordersEach {
			w := p.order()
			a, err := l.ask(ctx, l.replicas[n%len(l.replicas)], w.request)
			if err != nil {
				return err
			}
			if a.Status != http.StatusCreated {
				return &lab.Failure{
					Expected: "an order to be placed on replica " + l.replicas[n%len(l.replicas)].Name(),
					Seen:     a.String(), Waited: a.Waited(),
					Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "can two replicas draw the same id?"},
				}
			}
			if err := w.acknowledged(a); err != nil {
				return err
			}
			id := p.orders[w.request.key].id
			if seen[id] {
				return &lab.Failure{
					Expected: "a different id for each order", Seen: fmt.Sprintf("%s for two orders", id),
					Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "can two replicas draw the same id?"},
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
