package shard

import (
	"crypto/sha256"
	"encoding/hex"

	"bytebites.example/workshop/shared/bytebites"
)

// Digest returns a hash of a subscriber's rows as they were read, whatever the mark. Empty for who
// has no rows.
func (c Copy) Digest(user bytebites.UserID) string {
	rows := c.of[user].rows
	if rows == nil {
		return ""
	}
	sum := sha256.Sum256(rows)
	return hex.EncodeToString(sum[:])
}

// TableForTest is what a test may know of a table that is copied.
type TableForTest struct {
	Name, Order       string
	Columns, Instants []string
	OfOrder           bool
}

// TablesForTest returns all tables that are copied.
func TablesForTest() []TableForTest {
	all := make([]TableForTest, 0, len(tables()))
	for _, t := range tables() {
		all = append(all, TableForTest{Name: t.name, Order: t.order, Columns: t.columns, Instants: t.instants, OfOrder: t.ofOrder})
	}
	return all
}
