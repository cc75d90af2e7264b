package checkout

import (
	"crypto/rand"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
)

// NewOrderID returns a fresh order id: "ord_" and at least 128 random bits in base 32,
// 30 characters in all. Nothing reads it back, so a later scheme may put a tag between
// prefix and random part to name a shard.
func NewOrderID() bytebites.OrderID {
	return bytebites.OrderID("ord_" + strings.ToLower(rand.Text()))
}
