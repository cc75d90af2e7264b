package spec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/lab"
)

// endsWithin is how long a check waits for a call of the subject that has to end. It is several
// times the longest limit that the lesson states, 3 seconds.
const endsWithin = 12 * time.Second

// replica is the subject's stores, as one replica of the service has them.
type replica struct {
	stores  service.UserData
	metrics *prometheus.Registry
	log     *logbook
	closers []func() error
}

// lookStores says where stores are mended that do not open.
func lookStores() lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.Read", Hint: "which part of the service does Apply replace?"}
}

// open opens the subject's stores. The caller closes them.
func (c *cluster) open() (*replica, error) {
	r := &replica{metrics: prometheus.NewRegistry(), log: &logbook{}}
	resources := c.resources(r)
	err := guarded(lookStores(), func() error {
		composition := c.composition()
		stores, err := composition.UserData(resources, postgres.NewCatalogue(c.theirs.control))
		if err != nil {
			return &lab.Failure{Expected: "stores of user data", Seen: err.Error(), Look: lookStores()}
		}
		r.stores = stores
		return nil
	})
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// composition returns the service with the subject's part.
func (c *cluster) composition() service.Composition {
	composition := service.Baseline()
	c.subject.Apply(&composition)
	return composition
}

func (c *cluster) resources(r *replica) service.Resources {
	return service.Resources{
		Config:    service.Config{Instance: "check"},
		Catalogue: c.theirs.control, UserData: c.theirs.servers[0], Shards: c.theirs.servers[1:],
		Metrics: r.metrics, Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		OnClose: func(close func() error) { r.closers = append(r.closers, close) },
	}
}

func (r *replica) close() {
	for _, end := range slices.Backward(r.closers) {
		_ = end() // what is lost on the way is no part of the check
	}
	r.closers = nil
}

// counter returns the value of a counter.
func (r *replica) counter(name string) (float64, error) { return counterOf(r.metrics, name) }

// counterOf returns the value of a counter, summed over its labels.
func counterOf(metrics *prometheus.Registry, name string) (float64, error) {
	families, err := metrics.Gather()
	if err != nil {
		return 0, fmt.Errorf("gather metrics: %w", err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum, nil
}

// setCart puts so many portions of one meal into a cart.
func (r *replica) setCart(ctx context.Context, user bytebites.UserID, portions int) error {
	return r.stores.Carts.SetCart(ctx, user, []bytebites.Line{{Meal: "m0001", Quantity: portions}})
}

// portions reads a cart.
func (r *replica) portions(ctx context.Context, user bytebites.UserID) (int, error) {
	lines, err := r.stores.Carts.Cart(ctx, user)
	sum := 0
	for _, line := range lines {
		sum += line.Quantity
	}
	return sum, err
}

// outcome of a call of the subject: see ends.
type ended struct {
	err  error
	took time.Duration
}

// begin calls code of the subject in the background. A panic is a failure.
func begin(look lab.Look, call func() error) <-chan ended {
	done, began := make(chan ended, 1), time.Now()
	go func() {
		err := guarded(look, call)
		done <- ended{err, time.Since(began)}
	}()
	return done
}

// ends waits for a call that begin began. A call that does not end within the limit is a failure.
func ends(ctx context.Context, done <-chan ended, what string, look lab.Look) (ended, error) {
	select {
	case e := <-done:
		var panicked *lab.Failure
		if errors.As(e.err, &panicked) {
			return e, e.err
		}
		return e, nil
	case <-ctx.Done():
		return ended{}, context.Cause(ctx)
	case <-time.After(endsWithin):
		return ended{}, &lab.Failure{Expected: what + " to end", Seen: fmt.Sprintf("it still runs after %s", endsWithin), Look: look}
	}
}
