package rabbit

import (
	"math"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RetriesHeader is the header of a message that says how often it has been tried and put
// back. The broker's own counts do not do: a message that is published again is a new one to it.
const RetriesHeader = "x-retries"

// Retries returns what RetriesHeader says: from 0, for a message that comes for the first
// time, or whose header makes no sense, to math.MaxInt32.
func Retries(headers amqp.Table) int {
	var n int64
	switch value := headers[RetriesHeader].(type) {
	case int64:
		n = value
	case int32:
		n = int64(value)
	case int16:
		n = int64(value)
	case int8:
		n = int64(value)
	case int:
		n = int64(value)
	case uint8:
		n = int64(value)
	case uint16:
		n = int64(value)
	case uint32:
		n = int64(value)
	}
	return int(min(max(n, 0), math.MaxInt32))
}
