package rig_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestCapacity(t *testing.T) {
	quarter := instance.Type{Name: "quarter", CPU: 0.25}
	for name, c := range map[string]struct {
		sent, failed int
		cpu          time.Duration
		perRequest   time.Duration
		perSecond    float64 // 0: a doubt
	}{
		"a request takes 5 ms":    {300, 0, 1500 * time.Millisecond, 5 * time.Millisecond, 50},
		"a request takes 1 ms":    {300, 0, 300 * time.Millisecond, time.Millisecond, 250},
		"a request failed":        {300, 1, 1500 * time.Millisecond, 0, 0},
		"no CPU time":             {300, 0, 0, 0, 0},
		"CPU time that went back": {300, 0, -time.Millisecond, 0, 0},
		"no request":              {0, 0, time.Second, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := rig.Sample{Result: load.Result{Sent: c.sent, Failed: c.failed}, CPU: c.cpu}
			perRequest, perSecond, err := s.Capacity(quarter)
			var doubt *lab.Doubt
			if errors.As(err, &doubt) != (c.perSecond == 0) {
				t.Errorf("the error is %v", err)
			}
			if perRequest != c.perRequest || math.Abs(perSecond-c.perSecond) > 1e-6 {
				t.Errorf("%v a request and %v a second, want %v and %v", perRequest, perSecond, c.perRequest, c.perSecond)
			}
		})
	}
}

func TestInBackgroundEndsWithItsError(t *testing.T) {
	want := errors.New("controller: lost the engine")
	running := make(chan struct{})
	end := rig.InBackground(func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		return want
	})
	<-running
	if err := end(); !errors.Is(err, want) {
		t.Errorf("the end returns %v, want %v", err, want)
	}
}
