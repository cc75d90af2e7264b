package pgstat_test

import (
	"testing"

	"bytebites.example/workshop/shared/measure/probe/pgstat"
)

func TestTable(t *testing.T) {
	tests := []struct{ query, want string }{
		{"SELECT id FROM orders WHERE user_id = $1", "orders"},
		{"select id\nfrom  Orders", "orders"},
		{`SELECT 1 FROM "weeks"`, "weeks"},
		{"INSERT INTO order_lines (order_id) VALUES ($1)", "order_lines"},
		{"UPDATE stock SET available = available - $1", "stock"},
		{"DELETE FROM sessions", "sessions"},
		{"WITH recent AS (SELECT id FROM orders ORDER BY placed_at DESC LIMIT $1) SELECT meal_id FROM order_lines", "orders"},
		{"BEGIN", ""},
		{"SELECT now()", ""},
	}
	for _, tt := range tests {
		if got := (pgstat.Statement{Query: tt.query}).Table(); got != tt.want {
			t.Errorf("table of %q: got %q, want %q", tt.query, got, tt.want)
		}
	}
}

func TestPagesPerCall(t *testing.T) {
	if got := (pgstat.Statement{Pages: 10, Calls: 4}).PagesPerCall(); got != 2.5 {
		t.Errorf("got %v, want 2.5", got)
	}
	if got := (pgstat.Statement{}).PagesPerCall(); got != 0 {
		t.Errorf("of a statement that never ran: got %v, want 0", got)
	}
}
