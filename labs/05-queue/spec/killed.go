package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// killOrders are more than the messages that a worker takes at a time.
	killOrders = 60
	// stuckTimeout is how soon the worker is stuck somewhere, and stuckEverywhere how long it
	// has to be stuck in all three effects.
	stuckTimeout    = 5 * time.Second
	stuckEverywhere = 2 * time.Second
	// claimStallTimeout ends the wait for mails that a killed worker had begun. It is longer than
	// the claim of a dead worker may last.
	claimStallTimeout = 25 * time.Second
)

// workerKilled blocks the worker in each effect, kills it there, and starts it again.
func (l *trial) workerKilled(ctx context.Context, run *lab.Run) error {
	// The worker that is killed must have messages of this check, and no other worker may have any.
	if err := errors.Join(l.drainQueues(ctx), l.staff(ctx, 1)); err != nil {
		return err
	}
	placed, err := l.killAtWork(ctx, run)
	if err != nil {
		return err
	}
	if err := l.worker.role.Start(ctx); err != nil {
		return err
	}
	err = l.wantDone(ctx, placed, "the bookings and weeks that a worker was at when it was killed",
		lab.Look{File: "consumers.go", Func: "Serve", Hint: "acknowledge a message after its work"},
		bytebites.EffectLedger, bytebites.EffectRecommendation)
	if err != nil {
		return err
	}
	l.begun = placed
	return nil
}

// killAtWork locks the tables of bookings and weeks, slows the mail server down, and kills
// the worker when it waits for them. It returns the orders that were placed.
func (l *trial) killAtWork(ctx context.Context, run *lab.Run) (placed []*order, err error) {
	release, err := l.nodes[0].lock(ctx, "supplier_ledger", "weeks")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := l.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.servers.Mail.SetDelay(context.WithoutCancel(ctx), quickMail)) }()
	// Subscribers of the old server only: writes of the others are copied to it, and would
	// wait for the locks inside the request.
	if placed, err = l.load(ctx, l.old(), killOrders, 0); err != nil {
		return nil, err
	}
	at, err := l.awaitStuck(ctx)
	if err != nil {
		return nil, err
	}
	run.Progress("killing the worker while it waits for " + strings.Join(at, ", "))
	return placed, l.killWorker(ctx, l.worker)
}

// lock locks tables against writing until release is called.
func (n *node) lock(ctx context.Context, tables ...string) (release func() error, err error) {
	tx, err := n.pool.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, fmt.Errorf("lock %v: %w", tables, err)
	}
	release = func() error {
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			return fmt.Errorf("unlock %v: %w", tables, err)
		}
		return nil
	}
	if _, err := tx.ExecContext(ctx, `LOCK TABLE `+strings.Join(tables, ", ")+` IN EXCLUSIVE MODE`); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %v: %w", tables, err), release())
	}
	return release, nil
}

// awaitStuck waits until the worker waits for both tables and the mail server, or after a
// while for one of them at least. It returns what the worker waits for.
func (l *trial) awaitStuck(ctx context.Context) ([]string, error) {
	for began := time.Now(); ; {
		var at []string
		for _, table := range []string{"supplier_ledger", "weeks"} {
			var waiting bool
			err := l.nodes[0].pool.QueryRowContext(ctx,
				`SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, table).Scan(&waiting)
			if err != nil {
				return nil, fmt.Errorf("read locks of %s: %w", table, err)
			}
			if waiting {
				at = append(at, table)
			}
		}
		mails, err := l.servers.Mail.Stats(ctx)
		if err != nil {
			return nil, err
		}
		if mails.Waiting > 0 {
			at = append(at, fmt.Sprintf("%d mails", mails.Waiting))
		}
		switch elapsed := time.Since(began); {
		case len(at) == 3, len(at) > 0 && elapsed > stuckEverywhere:
			return at, nil
		case elapsed > stuckTimeout:
			return nil, &lab.Failure{
				Expected: "a worker that is at the effects of orders", Seen: "none" + l.warnings(ctx),
				Waited: lab.Last(stuckTimeout),
				Look:   lab.Look{File: "consumers.go", Func: "Serve", Hint: "see worker.log in .workshop/05-queue"},
			}
		}
		if err := rig.Pause(ctx, pollInterval/5); err != nil {
			return nil, err
		}
	}
}

// mailBegun demands all effects of the orders that a worker was killed at, each once. The mails may
// take a while: until its claim has ended, the dead worker might still be sending.
func (l *trial) mailBegun(ctx context.Context, run *lab.Run) error {
	missing, err := l.await(ctx, l.begun, claimStallTimeout, bytebites.EffectEmail)
	if err != nil {
		return err
	}
	if n := missing[bytebites.EffectEmail]; n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the mails of %d orders, some of which a worker had begun when it was killed", len(l.begun)),
			Seen:     fmt.Sprintf("%d that are not sent, and none more came in %s%s", n, claimStallTimeout, l.warnings(ctx)), Waited: lab.Last(claimStallTimeout),
			Look: lab.Look{File: "consumers.go", Func: "effects.email", Hint: "a worker that dies leaves its claim, for up to 11 s: the message must wait in a retry queue until then"},
		}
	}
	books, err := l.read(ctx, l.begun)
	if err != nil {
		return err
	}
	twice := 0
	for _, b := range books {
		if len(b.mails) > 1 {
			twice++
		}
	}
	run.Report("mails sent twice because a worker was killed after the mail server accepted them", float64(twice), "")
	bad, rests := l.meals.problems(l.begun, books, killedBetween(l.kills, slowMail))
	return failLate(bad, rests, "each effect once, except mails that the killed worker had handed over",
		lab.Look{File: "consumers.go", Func: "effects.email", Hint: "call claim.Do: a second worker sends the mail only when the claim has expired or was given up"})
}
