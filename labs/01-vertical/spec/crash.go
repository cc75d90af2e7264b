package spec

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// crashRate and crashLength are the load under which the machine is killed: few enough
	// orders for every one to be accepted while it is up.
	crashRate   = 10 // a second
	crashLength = 3 * time.Second
	// killAfter is when, and downFor how long it takes somebody to start it again.
	killAfter = time.Second
	downFor   = time.Second
	// probeEvery is how often a visitor looks whether the site is up.
	probeEvery = 20 * time.Millisecond
)

// crash kills the machine under load, starts it again and reconciles what the clients
// were told with what the database holds.
func (l *trial) crash(ctx context.Context, run *lab.Run) error {
	generator := orders(l.tuned)
	var result load.Result
	var outage time.Duration
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			result, err = generator.Hit(ctx, crashRate, crashLength)
			return err
		},
		func(ctx context.Context) (err error) {
			if err := rig.Pause(ctx, killAfter); err != nil {
				return err
			}
			outage, err = l.killAndStart(ctx)
			return err
		},
	)
	if err != nil {
		return err
	}
	run.Report("down after a kill, with a second until somebody starts it", outage.Seconds(), "s")
	run.Report("requests that failed meanwhile, and after for want of a session", float64(result.Failed), "")
	if err := l.reconcile(ctx, result.Orders); err != nil {
		return err
	}
	// The dead process's requests are dead, and the new one's found nobody signed in: what
	// is half done is nobody's any more and can be settled at once.
	if err := rig.Settle(ctx, l.servers.Pool, l.servers.Pool, 0); err != nil {
		return err
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, l.servers.Pool); err != nil {
		return &lab.Failure{Expected: "books that balance", Seen: err.Error(), Waited: lab.Late(err), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "release the reservation when the order fails"}}
	}
	return l.tuned.SignInAgain(ctx)
}

// killAndStart kills the service, starts it a little later and returns for how long
// nobody was answered.
func (l *trial) killAndStart(ctx context.Context) (time.Duration, error) {
	service := l.tuned.Service
	if err := service.Kill(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := rig.Pause(ctx, downFor); err != nil {
		return 0, err
	}
	if err := service.Start(ctx); err != nil {
		return 0, rig.LearnersFault(err, look())
	}
	client := &http.Client{Timeout: time.Second}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, service.URL()+"/meals", nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close() // only the status counts
			if response.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
		}
		if err := rig.Pause(ctx, probeEvery); err != nil {
			return 0, err
		}
	}
}

// reconcile demands that every accepted order is in the database, and no order twice.
func (l *trial) reconcile(ctx context.Context, orders []load.OrderOutcome) error {
	r, err := rig.Reconcile(ctx, l.servers.Pool, orders)
	if err != nil {
		return err
	}
	switch {
	case r.Accepted == 0:
		return &lab.Doubt{Reason: "no order was accepted before the crash", Remedy: "close what else runs on this machine, and check again"}
	case r.Lost > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d orders that clients hold a confirmation of to be in the database", r.Accepted),
			Seen:     fmt.Sprintf("%d", r.Accepted-r.Lost), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "which answer is sent before the order is committed?"},
		}
	case r.Doubled > 0:
		return &lab.Failure{Expected: "no order twice", Seen: fmt.Sprintf("%d keys with more than one", r.Doubled), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"}}
	}
	return nil
}
