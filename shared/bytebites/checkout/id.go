package checkout

import (
	"crypto/rand"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
)

// NewOrderID returns a fresh order id: "ord_" and at least 128 random bits in base 32,
// 30 characters in all. It says nothing about the order; see Parts.NewID for one that does.
func NewOrderID() bytebites.OrderID {
	return bytebites.OrderID("ord_" + strings.ToLower(rand.Text()))
}
