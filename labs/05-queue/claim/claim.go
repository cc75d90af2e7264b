// Package claim is given in lab 05, and finished. It does an effect that no transaction can hold,
// such as a mail, at most once at a time. DEEP.md says why each line is there.
package claim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// workFor bounds the work, such as handing a mail to the mail server.
	workFor = 5 * time.Second
	// noteFor bounds the note that the work is done, and notePause is the pause between two tries.
	noteFor   = 4 * time.Second
	notePause = 50 * time.Millisecond
	// claimFor is longer than work and note together, with a reserve for clocks and schedulers.
	claimFor = workFor + noteFor + 2*time.Second
)

// errTaken says that another worker holds the claim, or held it when it died.
var errTaken = fmt.Errorf("claimed by another worker: %w", bytebites.ErrBusy)

// Do claims an effect of the event's order, reads the order, and calls work unless the effect is
// done. Then it notes the effect as done and releases the claim, in one transaction. It reports false
// if the effect was done before. The error matches ErrBusy while another worker holds the claim.
//
// A worker that dies after work and before the note leaves an effect that is done again: work is
// called at least once.
func Do(ctx context.Context, p service.Parts, event bytebites.Event, effect bytebites.Effect,
	work func(context.Context, bytebites.Order) error,
) (bool, error) {
	working, cancel := context.WithTimeout(ctx, workFor)
	defer cancel()
	mine, err := p.Claims.Claim(working, event.User, event.Order, effect, claimFor)
	if err != nil {
		return false, err
	}
	if !mine {
		return false, errTaken
	}
	release := func(ctx context.Context) error {
		return p.Claims.Release(ctx, event.User, event.Order, effect)
	}
	worked, err := once(working, p, event, effect, work)
	// The note has a deadline of its own, because the work may have used up the first.
	noting, cancel := context.WithTimeout(ctx, noteFor)
	defer cancel()
	if err != nil || !worked {
		_ = release(noting) // if this fails, the claim expires
		return false, err
	}
	return note(noting, p, event, effect, release)
}

// once does the work unless it is done. It reads the order after the claim: another worker may have
// finished an order that was read before.
func once(ctx context.Context, p service.Parts, event bytebites.Event, effect bytebites.Effect,
	work func(context.Context, bytebites.Order) error,
) (worked bool, err error) {
	order, err := p.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	if _, done := order.Done[effect]; done {
		return false, nil
	}
	return true, work(ctx, order)
}

// note notes the effect as done. While the order's server is busy it tries again, because an effect
// without a note is done again.
func note(ctx context.Context, p service.Parts, event bytebites.Event, effect bytebites.Effect, within func(context.Context) error) (bool, error) {
	for {
		first, err := p.Orders.Once(ctx, event.User, event.Order, effect, within)
		if !errors.Is(err, bytebites.ErrBusy) {
			return first, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(notePause):
		}
	}
}
