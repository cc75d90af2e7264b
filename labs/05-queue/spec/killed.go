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
)

const (
	// inHand orders are more than a worker takes at a time.
	inHand = 60
	// atWorkWithin is how soon a worker has something of them in hand, and allAtWork how long it
	// is given to have something of each sort.
	atWorkWithin = 5 * time.Second
	allAtWork    = 2 * time.Second
	// begunStall is how long mails are waited for that somebody had begun: as long as the
	// claim of the dead may last, and a little more.
	begunStall = 25 * time.Second
)

// workerKilled has the worker get stuck at whatever it does for an order, and kills it there.
func (l *trial) workerKilled(ctx context.Context, run *lab.Run) error {
	if err := l.needsQueue(); err != nil {
		return err
	}
	placed, err := l.killAtWork(ctx, run)
	if err != nil {
		return err
	}
	l.begun = placed
	if err := l.worker.role.Start(ctx); err != nil {
		return err
	}
	quick := []bytebites.Effect{bytebites.EffectLedger, bytebites.EffectRecommendation}
	const lookAt = "consumers.go: when is a message acknowledged, before its work or after?"
	if err := l.wantDone(ctx, placed, "the bookings and weeks that a worker had in hand when it was killed", lookAt, quick...); err != nil {
		return err
	}
	books, err := l.read(ctx, placed)
	if err != nil {
		return err
	}
	var bad []string
	for _, o := range placed {
		if b, want := books[o.id], l.meals.booking(o.lines); weight(b.booking) != weight(want) {
			bad = append(bad, fmt.Sprintf("%d g in the ledger for order %s, not %d", weight(b.booking), o.id, weight(want)))
		}
	}
	return failIf(bad, "what was delivered again to be done once", "consumers.go: does the effect commit with the note that it is done?")
}

// killAtWork locks what bookings and weeks are written to, has the mail server take its time, and kills
// the worker when it waits for all three. It returns the orders that it was at, and others.
func (l *trial) killAtWork(ctx context.Context, run *lab.Run) (placed []*order, err error) {
	release, err := l.nodes[0].hold(ctx, "supplier_ledger", "weeks")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := l.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.servers.Mail.SetDelay(context.WithoutCancel(ctx), quickMail)) }()
	// People of the old server: what others write is copied there, and would wait too.
	if placed, err = l.load(ctx, l.old(), inHand, 0); err != nil {
		return nil, err
	}
	at, err := l.awaitAtWork(ctx)
	if err != nil {
		return nil, err
	}
	run.Progress("the worker is killed while it is at " + strings.Join(at, ", "))
	return placed, l.killWorker(ctx, l.worker)
}

// hold locks tables against writing until release is called.
func (n *node) hold(ctx context.Context, tables ...string) (release func() error, err error) {
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

// awaitAtWork waits until the worker is stuck, and returns at what: at everything if it is so soon, or
// at what it is. It must be stuck somewhere, or nothing would be in its hands.
func (l *trial) awaitAtWork(ctx context.Context) ([]string, error) {
	for began := time.Now(); ; {
		var at []string
		for _, table := range []string{"supplier_ledger", "weeks"} {
			var waiting bool
			err := l.nodes[0].pool.QueryRowContext(ctx,
				`SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, table).Scan(&waiting)
			if err != nil {
				return nil, fmt.Errorf("look who waits for %s: %w", table, err)
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
		case len(at) == 3, len(at) > 0 && elapsed > allAtWork:
			return at, nil
		case elapsed > atWorkWithin:
			return nil, &lab.Failure{
				Expected: "a worker that is at the effects of orders", Seen: "nobody" + l.words(ctx), Look: lab.Look{Hint: "consumers.go"},
			}
		}
		if err := sleep(ctx, lookEvery/5); err != nil {
			return nil, err
		}
	}
}

// mailBegun looks what became of the mails of the orders that a worker was killed at. That it takes a
// while is right: nobody can know that the dead will not go on before their claim has ended.
func (l *trial) mailBegun(ctx context.Context, run *lab.Run) error {
	if err := l.needsQueue(); err != nil {
		return err
	}
	if len(l.begun) == 0 {
		return &lab.Failure{Expected: "mails that somebody had begun", Seen: "needs the worker that was killed", Look: lab.Look{Hint: "the check worker killed"}}
	}
	undone, err := l.await(ctx, l.begun, begunStall, bytebites.EffectEmail)
	if err != nil {
		return err
	}
	if n := undone[bytebites.EffectEmail]; n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the mails of %d orders, some of which a worker had begun when it was killed", len(l.begun)),
			Seen:     fmt.Sprintf("%d that are not sent, and none more came in %s%s", n, begunStall, l.words(ctx)),
			Look:     lab.Look{Hint: "the handler of mails in consumers.go: how long does a claim live, and what becomes of a message meanwhile?"},
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
	run.Report("mails sent twice because a worker was killed after the mail server's yes", float64(twice), "")
	return failIf(l.meals.problems(l.begun, books, killedBetween(l.kills, slowMail)),
		"each effect once, but for mails that the dead had handed over", "the handler of mails in consumers.go")
}
