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
	// crashRate and crashLength are the load during the kill. The rate is so low that the machine
	// accepts every order while it runs.
	crashRate   = 10 // orders a second
	crashLength = 3 * time.Second
	// killAfter is the time from the start of the load to the kill, and downFor the time from the
	// kill to the restart.
	killAfter = time.Second
	downFor   = time.Second
	// probeEvery is the interval between two reads that test whether the service answers again.
	probeEvery = 20 * time.Millisecond
)

// crash kills the service under load and starts it again. Then it compares the answers that clients
// got with the orders in the database.
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
	run.Report("no answers after a kill, with a restart after 1 s", outage.Seconds(), "s")
	run.Report("requests that failed, while it was down or for lack of a session", float64(result.Failed), "")
	if err := l.reconcile(ctx, result.Orders); err != nil {
		return err
	}
	// The kill ended all requests of the old process. The new process has no sessions, so it placed
	// no orders. No request works on a half-done order any more, so Settle needs no waiting time.
	if err := rig.Settle(ctx, l.servers.Pool, postgres.NewOrders(l.servers.Pool), 0); err != nil {
		return err
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, l.servers.Pool); err != nil {
		return &lab.Failure{Expected: "stock and orders to agree", Seen: err.Error(), Waited: lab.Late(err), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "release the reservation when the order fails"}}
	}
	return l.tuned.SignInAgain(ctx)
}

// killAndStart kills the service, starts it again after downFor, and returns the time from the
// kill to the first answer.
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
			Expected: fmt.Sprintf("%d accepted orders to be in the database", r.Accepted),
			Seen:     fmt.Sprintf("%d", r.Accepted-r.Lost), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "which answer is sent before the order is committed?"},
		}
	case r.Doubled > 0:
		return &lab.Failure{Expected: "one order for each Idempotency-Key", Seen: fmt.Sprintf("%d keys with more than one order", r.Doubled), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"}}
	}
	return nil
}
