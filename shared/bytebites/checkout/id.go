package checkout

import (
	"crypto/rand"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
)

// NewOrderID returns a fresh order id of 30 characters: "ord_" and at least 128 random bits
// in base 32. The id names no shard. Parts.NewID may return ids that do.
func NewOrderID() bytebites.OrderID {
	return bytebites.OrderID("ord_" + strings.ToLower(rand.Text()))
}
