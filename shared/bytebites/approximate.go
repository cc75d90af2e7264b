package bytebites

import (
	"context"
	"sync/atomic"
)

// approximateKey is the context key of a mark that MarkApproximate sets.
type approximateKey struct{}

// WithApproximate returns a context for one question to a store, and a function that reports
// whether the store has marked its answer by MarkApproximate.
func WithApproximate(ctx context.Context) (marked context.Context, approximate func() bool) {
	var mark atomic.Bool
	return context.WithValue(ctx, approximateKey{}, &mark), mark.Load
}

// MarkApproximate says that the answer to the question of ctx is good enough to show and not good
// enough to keep. Examples are a total without the part of a server that is down, and a total that
// counts some subscribers twice while they move. A cache keeps such an answer for seconds at most.
// Without WithApproximate it does nothing.
func MarkApproximate(ctx context.Context) {
	if mark, ok := ctx.Value(approximateKey{}).(*atomic.Bool); ok {
		mark.Store(true)
	}
}
