package spec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// lookEvery is the pause between two looks at what is done.
	lookEvery = 100 * time.Millisecond
	// stall is how long effects are waited for of which none comes.
	stall = 10 * time.Second
)

// await waits until effects of orders are done, for as long as some are: it gives up when
// none was for the time of a stall. It returns how many are undone, by effect.
func (l *trial) await(ctx context.Context, orders []*order, patience time.Duration, effects ...bytebites.Effect) (map[bytebites.Effect]int, error) {
	last, since := -1, time.Now()
	for {
		undone, err := l.undone(ctx, orders, effects)
		if err != nil {
			return nil, err
		}
		left := 0
		for _, n := range undone {
			left += n
		}
		if left != last {
			last, since = left, time.Now()
		}
		if left == 0 || time.Since(since) > patience {
			return undone, nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}

// undone counts the effects of orders that are not done.
func (l *trial) undone(ctx context.Context, orders []*order, effects []bytebites.Effect) (map[bytebites.Effect]int, error) {
	undone := make(map[bytebites.Effect]int)
	for _, effect := range effects {
		undone[effect] = len(orders)
	}
	for n, theirs := range byHome(orders) {
		err := n.eachEffect(ctx, idsOf(theirs), func(_ bytebites.OrderID, effect bytebites.Effect, _ time.Time) {
			if _, ok := undone[effect]; ok {
				undone[effect]--
			}
		})
		if err != nil {
			return nil, fmt.Errorf("look for effects on %s: %w", n.name, err)
		}
	}
	maps.DeleteFunc(undone, func(_ bytebites.Effect, n int) bool { return n == 0 })
	return undone, nil
}

// wantDone waits for effects of orders, all of them unless some are named. The error is a failure
// when they do not come.
func (l *trial) wantDone(ctx context.Context, orders []*order, expected, look string, effects ...bytebites.Effect) error {
	if len(effects) == 0 {
		effects = bytebites.Effects()
	}
	undone, err := l.await(ctx, orders, stall, effects...)
	if err != nil || len(undone) == 0 {
		return err
	}
	var counts []string
	for _, effect := range slices.Sorted(maps.Keys(undone)) {
		counts = append(counts, fmt.Sprintf("%d of %s", undone[effect], effect))
	}
	return &lab.Failure{
		Expected: expected,
		Seen: fmt.Sprintf("of %d orders' effects %s undone, and none more came in %s%s",
			len(orders), strings.Join(counts, ", "), stall, l.words(ctx)),
		Look: lab.Look{Hint: look},
	}
}

// wantKept reads what there is of orders whose effects are done, and demands that it is as it must be.
func (l *trial) wantKept(ctx context.Context, orders []*order, look string) error {
	books, err := l.read(ctx, orders)
	if err != nil {
		return err
	}
	return failIf(l.meals.problems(orders, books, never), fmt.Sprintf("each effect of %d orders once", len(orders)), look)
}

// sleep waits, or until ctx ends, whose cause is then the error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
