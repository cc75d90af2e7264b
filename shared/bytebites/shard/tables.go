package shard

import (
	"fmt"
	"slices"
	"strings"
)

// table describes how a table of user data is copied. A test compares the list with the schema.
type table struct {
	name     string
	columns  []string
	instants []string // the columns of type timestamptz
	// order sorts the rows of one subscriber by bytes, so that the order is the same on every
	// server.
	order string
	// ofOrder says that the rows belong to an order and are found by order_id.
	ofOrder bool
}

// tables returns all tables of user data.
func tables() []table {
	return []table{
		{
			name:    "users",
			columns: []string{"user_id", "name", "email", "diets", "cuisines", "dislikes", "portion_count"},
			order:   `user_id`,
		},
		{
			name:    "addresses",
			columns: []string{"user_id", "position", "label", "street", "postal_code", "city", "country"},
			order:   `position`,
		},
		{
			name:     "carts",
			columns:  []string{"user_id", "changed_at"},
			instants: []string{"changed_at"},
			order:    `user_id`,
		},
		{
			name:    "cart_lines",
			columns: []string{"user_id", "meal_id", "quantity"},
			order:   `meal_id COLLATE "C"`,
		},
		{
			name:     "orders",
			columns:  []string{"id", "user_id", "idempotency_key", "total_cents", "status", "placed_at", "effects_done_at"},
			instants: []string{"placed_at", "effects_done_at"},
			order:    `id COLLATE "C"`,
		},
		{
			name:    "order_lines",
			columns: []string{"order_id", "user_id", "position", "meal_id", "name", "quantity", "price_cents"},
			order:   `order_id COLLATE "C", position`,
			ofOrder: true,
		},
		{
			name:     "order_effects",
			columns:  []string{"order_id", "user_id", "effect", "done_at"},
			instants: []string{"done_at"},
			order:    `order_id COLLATE "C", effect COLLATE "C"`,
			ofOrder:  true,
		},
		{
			name:     "payment_events",
			columns:  []string{"event_id", "user_id", "order_id", "amount_cents", "succeeded", "applied_at"},
			instants: []string{"applied_at"},
			order:    `event_id COLLATE "C"`,
			ofOrder:  true,
		},
		{
			name:    "ratings",
			columns: []string{"user_id", "meal_id", "stars"},
			order:   `meal_id COLLATE "C"`,
		},
		{
			name:     "supplier_ledger",
			columns:  []string{"order_id", "user_id", "supplier", "ingredient", "grams", "booked_at"},
			instants: []string{"booked_at"},
			order:    `order_id COLLATE "C", supplier COLLATE "C", ingredient COLLATE "C"`,
			ofOrder:  true,
		},
		{
			name:     "weeks",
			columns:  []string{"user_id", "meals", "planned_at", "basis"},
			instants: []string{"planned_at"},
			order:    `user_id`,
		},
	}
}

// readStatement returns a query with one row for each id in $1: the id, the version of the mark,
// the number of rows, and the rows. The rows are one JSON object with an array for each table that
// has any, or null.
func readStatement() string {
	return ofEach(`coalesce(found.number, 0), found.content`,
		func(t table) string {
			return fmt.Sprintf(`SELECT jsonb_agg(to_jsonb(one) ORDER BY %s) FROM (SELECT %s FROM %s WHERE %s) AS one`,
				t.orderOf("one"), t.asText(), t.name, t.where())
		},
		`sum(jsonb_array_length(part.content)) AS number, jsonb_object_agg(part.name, part.content) AS content`)
}

// sumStatement returns a query with one row for each id in $1: the id, the version of the mark, and
// a hash of all rows. The hash is empty without rows. The text form of a row marks the end of each
// column, so different rows have different texts.
func sumStatement() string {
	return ofEach(`coalesce(encode(sha256(convert_to(found.content, 'UTF8')), 'hex'), '')`,
		func(t table) string {
			return fmt.Sprintf(`SELECT string_agg(ROW(%s)::text, E'\n' ORDER BY %s) FROM %s WHERE %s`,
				t.asBytes(), t.orderOf(t.name), t.name, t.where())
		},
		`string_agg(part.name || part.content, E'\n' ORDER BY part.name) AS content`)
}

// ofEach returns a query with one row for each id in $1: the id, the version of the mark, and the
// expressions in selected. These refer to found, the summary of the non-null parts of all tables.
//
// Separate subqueries, which the planner cannot merge, read the rows of each subscriber. Otherwise
// the planner would scan whole tables for which it has no statistics, as on a shard that is being
// filled.
func ofEach(selected string, part func(table) string, summary string) string {
	parts := make([]string, 0, len(tables()))
	for _, t := range tables() {
		parts = append(parts, fmt.Sprintf(`        ('%s', (%s))`, t.name, part(t)))
	}
	return `
SELECT asked.user_id, coalesce((SELECT mark.version FROM shard_marks AS mark WHERE mark.user_id = asked.user_id), 0),
       ` + selected + `
FROM unnest($1::text[]) AS asked (user_id)
CROSS JOIN LATERAL (SELECT array_agg(orders.id) AS ids FROM orders WHERE orders.user_id = asked.user_id) AS placed
CROSS JOIN LATERAL (
    SELECT ` + summary + ` FROM (VALUES
` + strings.Join(parts, ",\n") + `
    ) AS part (name, content) WHERE part.content IS NOT NULL) AS found`
}

func (t table) where() string {
	if t.ofOrder {
		return fmt.Sprintf(`%[1]s.order_id = ANY (placed.ids) AND %[1]s.user_id = asked.user_id`, t.name)
	}
	return t.name + `.user_id = asked.user_id`
}

func (t table) orderOf(row string) string {
	keys := strings.Split(t.order, ", ")
	for i, key := range keys {
		keys[i] = row + "." + key
	}
	return strings.Join(keys, ", ")
}

// asText returns the list of columns to read. Instants become text in UTC, because their JSON form
// depends on the session's time zone.
func (t table) asText() string {
	columns := make([]string, len(t.columns))
	for i, column := range t.columns {
		name := t.name + "." + column
		columns[i] = name
		if slices.Contains(t.instants, column) {
			columns[i] = fmt.Sprintf(`CASE WHEN isfinite(%[1]s) THEN to_char(%[1]s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE %[1]s::text END AS %[2]s`,
				name, column)
		}
	}
	return strings.Join(columns, ", ")
}

// asBytes returns the list of columns to hash. Instants are hashed in PostgreSQL's binary form:
// their text depends on the session's time zone and costs more.
func (t table) asBytes() string {
	columns := make([]string, len(t.columns))
	for i, column := range t.columns {
		columns[i] = t.name + "." + column
		if slices.Contains(t.instants, column) {
			columns[i] = fmt.Sprintf("timestamptz_send(%s)", columns[i])
		}
	}
	return strings.Join(columns, ", ")
}

// deleteStatement deletes all rows of the subscribers in $1. It is one statement, so that foreign
// keys are checked only at its end.
//
// The ids are in subqueries so that the planner assumes few ids. It then uses indexes even on a
// table without statistics.
func deleteStatement() string {
	const ofUsers = `user_id = ANY (ARRAY(SELECT unnest($1::text[])))`
	parts := make([]string, 0, len(tables()))
	for _, t := range tables() {
		where := ofUsers
		if t.ofOrder {
			where = `order_id = ANY (ARRAY(SELECT id FROM placed)) AND ` + ofUsers
		}
		parts = append(parts, fmt.Sprintf("     delete_%[1]s AS (DELETE FROM %[1]s WHERE %[2]s)", t.name, where))
	}
	return `
WITH placed AS MATERIALIZED (SELECT id FROM orders WHERE ` + ofUsers + `),
` + strings.Join(parts, ",\n") + `
SELECT`
}

// insertStatement inserts the rows of $1, an array of objects from readStatement. It is one
// statement, for the same reason as deleteStatement.
func insertStatement() string {
	parts := make([]string, 0, len(tables()))
	for _, t := range tables() {
		parts = append(parts, fmt.Sprintf(`     insert_%[1]s AS (
        INSERT INTO %[1]s (%[2]s) SELECT %[3]s
        FROM copied CROSS JOIN LATERAL jsonb_populate_recordset(NULL::%[1]s, copied.content -> '%[1]s') AS one)`,
			t.name, strings.Join(t.columns, ", "), "one."+strings.Join(t.columns, ", one.")))
	}
	return `
WITH copied AS MATERIALIZED (SELECT jsonb_array_elements($1::jsonb) AS content),
` + strings.Join(parts, ",\n") + `
SELECT`
}
