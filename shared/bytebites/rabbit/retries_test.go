package rabbit_test

import (
	"math"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/rabbit"
)

func TestRetries(t *testing.T) {
	for _, test := range []struct {
		value any
		want  int
	}{
		{nil, 0}, {0, 0}, {int8(3), 3}, {int16(3), 3}, {int32(3), 3}, {int64(3), 3}, {uint8(3), 3}, {uint16(3), 3}, {uint32(3), 3},
		{int64(-1), 0}, {int64(math.MaxInt64), math.MaxInt32}, {int64(math.MinInt64), 0},
		{"3", 0}, {3.5, 0}, {true, 0}, {amqp.Table{}, 0}, {[]any{3}, 0},
	} {
		if got := rabbit.Retries(amqp.Table{rabbit.RetriesHeader: test.value}); got != test.want {
			t.Errorf("%T %v: %d, want %d", test.value, test.value, got, test.want)
		}
	}
	if got := rabbit.Retries(nil); got != 0 {
		t.Errorf("no headers: %d", got)
	}
}
