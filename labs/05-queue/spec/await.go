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
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// pollInterval is the pause between two queries for effects.
	pollInterval = 100 * time.Millisecond
	// stallTimeout ends the wait for effects when no further effect came for so long.
	stallTimeout = 10 * time.Second
)

// await waits until the effects of orders are done. It gives up when no further effect came
// within the stall time. It returns how many effects are missing, by effect.
func (l *trial) await(ctx context.Context, orders []*order, stall time.Duration, effects ...bytebites.Effect) (map[bytebites.Effect]int, error) {
	last, since := -1, time.Now()
	for {
		missing, err := l.missing(ctx, orders, effects)
		if err != nil {
			return nil, err
		}
		left := 0
		for _, n := range missing {
			left += n
		}
		if left != last {
			last, since = left, time.Now()
		}
		if left == 0 || time.Since(since) > stall {
			return missing, nil
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}

// missing counts the effects of orders that are not done.
func (l *trial) missing(ctx context.Context, orders []*order, effects []bytebites.Effect) (map[bytebites.Effect]int, error) {
	missing := make(map[bytebites.Effect]int)
	for _, effect := range effects {
		missing[effect] = len(orders)
	}
	for n, theirs := range byHome(orders) {
		err := n.eachEffect(ctx, idsOf(theirs), func(_ bytebites.OrderID, effect bytebites.Effect, _ time.Time) {
			if _, ok := missing[effect]; ok {
				missing[effect]--
			}
		})
		if err != nil {
			return nil, fmt.Errorf("read effects on %s: %w", n.name, err)
		}
	}
	maps.DeleteFunc(missing, func(_ bytebites.Effect, n int) bool { return n == 0 })
	return missing, nil
}

// wantDone waits for the named effects of orders, or for all effects when none is named. The
// error is a failure when they do not come.
func (l *trial) wantDone(ctx context.Context, orders []*order, expected string, look lab.Look, effects ...bytebites.Effect) error {
	if len(effects) == 0 {
		effects = bytebites.Effects()
	}
	missing, err := l.await(ctx, orders, stallTimeout, effects...)
	if err != nil || len(missing) == 0 {
		return err
	}
	var counts []string
	for _, effect := range slices.Sorted(maps.Keys(missing)) {
		counts = append(counts, fmt.Sprintf("%d of %s", missing[effect], effect))
	}
	return &lab.Failure{
		Expected: expected,
		Seen: fmt.Sprintf("of the effects of %d orders %s are missing, and no further one came in %s%s",
			len(orders), strings.Join(counts, ", "), stallTimeout, l.warnings(ctx)),
		Look: look, Waited: lab.Last(stallTimeout),
	}
}

// wantOnce demands that each effect of the orders was done exactly once. All effects are done
// when it is called.
func (l *trial) wantOnce(ctx context.Context, orders []*order, look lab.Look) error {
	books, err := l.read(ctx, orders)
	if err != nil {
		return err
	}
	bad, rests := l.meals.problems(orders, books, never)
	return failLate(bad, rests, fmt.Sprintf("each effect of %d orders once", len(orders)), look)
}
