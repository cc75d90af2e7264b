package spec

import (
	"database/sql/driver"
	"testing"
	"time"
)

func TestEarlier(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	ends, before := now.Add(time.Hour), now
	for _, test := range []struct{ value, want driver.Value }{
		{ends, before},
		{ends.Format(time.RFC3339Nano), before.Format(time.RFC3339Nano)},
		{ends.Unix(), before.Unix()},
		{ends.UnixMilli(), before.UnixMilli()},
		{ends.UnixMicro(), before.UnixMicro()},
		{float64(ends.Unix()) + 0.5, float64(before.Unix()) + 0.5},
		{int64(10), int64(10)},
		{int64(-1), int64(-1)},
		{float64(100), float64(100)},
		{"u0000001", "u0000001"},
		{true, true},
		{nil, nil},
	} {
		if got := earlier(test.value, time.Hour, now); got != test.want {
			t.Errorf("%v: got %v, want %v", test.value, got, test.want)
		}
	}
}
