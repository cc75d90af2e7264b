package testbed

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPauseTriesAgainWhileProcessesStart(t *testing.T) {
	unable, gone := errors.New("OCI runtime pause failed: unable to freeze: unknown"), errors.New("no such container")
	ended, end := context.WithCancel(t.Context())
	end()
	for name, test := range map[string]struct {
		ctx     context.Context
		within  time.Duration
		answers []error // of the engine; the last one stands for all that follow
		tries   int     // 0: not counted
		check   func(error) bool
	}{
		"at once":        {t.Context(), time.Minute, []error{nil}, 1, func(err error) bool { return err == nil }},
		"the third time": {t.Context(), time.Minute, []error{unable, unable, nil}, 3, func(err error) bool { return err == nil }},
		"another error":  {t.Context(), time.Minute, []error{gone}, 1, func(err error) bool { return errors.Is(err, gone) }},
		"never": {t.Context(), 2 * freezePause, []error{unable}, 0, func(err error) bool {
			var late *LateError
			return errors.As(err, &late) && errors.Is(err, unable)
		}},
		"the caller leaves": {ended, time.Minute, []error{unable}, 1, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			err := untilFrozen(test.ctx, test.within, func() error {
				tries++
				return test.answers[min(tries, len(test.answers))-1]
			})
			if !test.check(err) || test.tries > 0 && tries != test.tries {
				t.Errorf("%d tries, error %v", tries, err)
			}
		})
	}
}
