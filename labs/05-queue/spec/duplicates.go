package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// doubledOrders is how many orders' events are published more than once, and paidOrders how
	// many of them are paid for. A client pauses for doublePause after each order, because the
	// check is about the same event at two workers and not about the load.
	doubledOrders = 60
	paidOrders    = 10
	doublePause   = 400 * time.Millisecond
)

// duplicates publishes every event again as soon as it comes, so that two workers have it at the
// same time. When all effects are done it publishes all events once more. A relay that lost the
// broker's confirm does the same.
func (l *trial) duplicates(ctx context.Context, run *lab.Run) (err error) {
	if err := l.staff(ctx, 2); err != nil {
		return err
	}
	echo, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, echo.close()) }()
	var unpublished error // written by the tap's goroutine, and read when the tap is closed
	tap, err := l.listen(ctx, func(h heard) {
		unpublished = errors.Join(unpublished, echo.publish(ctx, exchange, h.message.RoutingKey, h.again()))
	})
	if err != nil {
		return err
	}
	placed, err := l.doubleLoad(ctx)
	heard := tap.sofar()
	if err := errors.Join(err, tap.close(), unpublished, echo.delivered(ctx)); err != nil {
		return err
	}
	if err := echo.quiet(ctx); err != nil {
		return err
	}
	err = l.wantOnce(ctx, placed, lab.Look{File: "consumers.go", Func: "Consumers", Hint: "two workers have the same event at once: call Orders.Once or claim.Do, which let one go on"})
	if err != nil {
		return err
	}
	was, err := l.read(ctx, placed)
	if err != nil {
		return err
	}
	for _, h := range heard {
		if err := echo.publish(ctx, exchange, h.message.RoutingKey, h.again()); err != nil {
			return err
		}
	}
	if err := errors.Join(echo.delivered(ctx), echo.quiet(ctx)); err != nil {
		return err
	}
	is, err := l.read(ctx, placed)
	if err != nil {
		return err
	}
	run.Report("events that came three times", float64(len(heard)), "")
	return failIf(changes(placed, was, is), fmt.Sprintf("no change when %d events come again", len(heard)),
		lab.Look{File: "consumers.go", Func: "Consumers", Hint: "note each effect by Orders.Once or claim.Do, which also read the note"})
}

// doubleLoad places orders, pays for some of them, and waits for all effects.
func (l *trial) doubleLoad(ctx context.Context) ([]*order, error) {
	placed, err := l.load(ctx, l.people, doubledOrders, doublePause)
	if err != nil {
		return nil, err
	}
	for _, o := range placed[:paidOrders] {
		if _, _, err := l.pay(ctx, paymentOf(o)); err != nil {
			return nil, err
		}
	}
	err = l.wantDone(ctx, placed, "all effects of orders whose events come twice",
		lab.Look{File: "consumers.go", Func: "Consumers", Hint: "return bytebites.ErrBusy when another worker holds the claim"})
	if err != nil {
		return nil, err
	}
	return placed, l.wantPaid(ctx, placed[:paidOrders])
}
