package rabbit

import (
	"math"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RetriesHeader is the header of a message that counts its retries. The broker's own counts do not
// work for this: they start again when a message is republished.
const RetriesHeader = "x-retries"

// Retries returns the number in RetriesHeader, from 0 to math.MaxInt32. It is 0 for a first
// delivery and for an invalid header.
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
