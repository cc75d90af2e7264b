package shard

import (
	"crypto/sha256"
	"encoding/hex"

	"bytebites.example/workshop/shared/bytebites"
)

// Digest returns a hash of a subscriber's rows as read, without the mark. It is empty for a
// subscriber without rows.
func (c Copy) Digest(user bytebites.UserID) string {
	rows := c.of[user].rows
	if rows == nil {
		return ""
	}
	sum := sha256.Sum256(rows)
	return hex.EncodeToString(sum[:])
}

// TableForTest is the part of a copied table that a test may see.
type TableForTest struct {
	Name, Order       string
	Columns, Instants []string
	OfOrder           bool
}

// TablesForTest returns all copied tables.
func TablesForTest() []TableForTest {
	all := make([]TableForTest, 0, len(tables()))
	for _, t := range tables() {
		all = append(all, TableForTest{Name: t.name, Order: t.order, Columns: t.columns, Instants: t.instants, OfOrder: t.ofOrder})
	}
	return all
}
