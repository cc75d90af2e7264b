package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// doubled orders are those whose events are published more than once, and doublePaid of
	// them are paid for. They come with a pause after each: it is who has what at the same moment
	// that is looked at, and not how much at all.
	doubled     = 60
	doublePaid  = 10
	doublePause = 400 * time.Millisecond // of each of those who order
)

// duplicates publishes every event again at the moment that it is heard, so that two workers have it at
// once; and once more when all is done. A broker that has lost a confirmation does the same.
func (l *trial) duplicates(ctx context.Context, run *lab.Run) (err error) {
	if err := l.needsQueue(); err != nil {
		return err
	}
	if err := l.startSecond(ctx); err != nil {
		return err
	}
	echo, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, echo.close()) }()
	var unsaid error // written by the tap alone, read when it is closed
	tap, err := l.listen(ctx, func(h heard) {
		unsaid = errors.Join(unsaid, echo.say(ctx, exchange, h.message.RoutingKey, h.again()))
	})
	if err != nil {
		return err
	}
	placed, err := l.doubleLoad(ctx)
	heard := tap.sofar()
	if err := errors.Join(err, tap.close(), unsaid, echo.delivered(ctx)); err != nil {
		return err
	}
	if err := echo.quiet(ctx); err != nil {
		return err
	}
	const lookAt = "consumers.go: two workers have the same event at the same moment; who of them may go on?"
	if err := l.wantKept(ctx, placed, lookAt); err != nil {
		return err
	}
	was, err := l.read(ctx, placed)
	if err != nil {
		return err
	}
	for _, h := range heard {
		if err := echo.say(ctx, exchange, h.message.RoutingKey, h.again()); err != nil {
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
	return failIf(changes(placed, was, is), fmt.Sprintf("nothing to change when %d events come again", len(heard)),
		"consumers.go: where is it noted that an effect is done, and who looks?")
}

// doubleLoad has people order, and pay for some of it, and waits for what comes of it.
func (l *trial) doubleLoad(ctx context.Context) ([]*order, error) {
	placed, err := l.load(ctx, l.people, doubled, doublePause)
	if err != nil {
		return nil, err
	}
	for _, o := range placed[:doublePaid] {
		if _, _, err := l.pay(ctx, paymentOf(o)); err != nil {
			return nil, err
		}
	}
	if err := l.wantDone(ctx, placed, "all effects of orders whose events come twice", "consumers.go", bytebites.Effects()...); err != nil {
		return nil, err
	}
	return placed, l.wantPaid(ctx, placed[:doublePaid])
}
