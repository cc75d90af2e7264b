// Package wrong is plausible wrong answers to lab 00, those that a service carries, and right
// ones that differ from the solution. Like the solution it imports nothing that checks a lab;
// which check must reject which answer is in the solution's test.
package wrong

import "bytebites.example/workshop/shared/bytebites/service"

// SQL returns, by name of the answer, what it has in index.sql.
func SQL() map[string]string {
	const right = `CREATE INDEX IF NOT EXISTS orders_user_placed_at ON orders (user_id, placed_at DESC);`
	return map[string]string{
		// Wrong indexes. The first is the starter's file, which has no statement.
		"no-index":        `-- no statement yet`,
		"placed-at-first": `CREATE INDEX IF NOT EXISTS orders_placed_at_user ON orders (placed_at DESC, user_id);`,
		"only-the-date":   `CREATE INDEX IF NOT EXISTS orders_placed_at ON orders (placed_at DESC);`,
		"lower-case":      `CREATE INDEX IF NOT EXISTS orders_user ON orders (lower(user_id), placed_at DESC);`,
		"first-customers": `CREATE INDEX IF NOT EXISTS orders_user ON orders (user_id, placed_at DESC) WHERE user_id < 'u0005000';`,
		"small-totals":    `CREATE INDEX IF NOT EXISTS orders_user_total ON orders (user_id, placed_at DESC, (total_cents::int));`,
		"no-two-alike":    `CREATE UNIQUE INDEX IF NOT EXISTS orders_user_placed_at ON orders (user_id, placed_at DESC);`,

		// What else the statement does.
		"old-orders-gone":     right + ` DELETE FROM orders WHERE placed_at < '2025-07-01';`,
		"keys-gone":           right + ` UPDATE orders SET idempotency_key = NULL;`,
		"carts-gone":          right + ` TRUNCATE carts CASCADE;`,
		"key-index-gone":      `DROP INDEX IF EXISTS orders_key; ` + right,
		"many-indexes":        right + ` CREATE INDEX IF NOT EXISTS orders_user ON orders (user_id); CREATE INDEX IF NOT EXISTS orders_status ON orders (status);`,
		"planner-forced":      right + ` ALTER ROLE CURRENT_USER SET enable_seqscan = off;`,
		"statistics-raised":   right + ` ALTER TABLE orders ALTER COLUMN user_id SET STATISTICS 1000;`,
		"extended-statistics": right + ` CREATE STATISTICS IF NOT EXISTS orders_of_users ON user_id, placed_at FROM orders;`,
		"marked-for-cluster":  right + ` ALTER TABLE orders CLUSTER ON orders_user_placed_at;`,
		"not-logged":          right + ` ALTER TABLE orders SET UNLOGGED;`,

		// What it does at every start.
		"grows":           `CREATE INDEX ON orders (user_id, placed_at DESC);`,
		"once-only":       `CREATE INDEX orders_user_placed_at ON orders (user_id, placed_at DESC);`,
		"dropped-first":   `DROP INDEX IF EXISTS orders_user_placed_at; CREATE INDEX orders_user_placed_at ON orders (user_id, placed_at DESC);`,
		"reindexed":       right + ` REINDEX INDEX orders_user_placed_at;`,
		"clustered":       right + ` CLUSTER orders USING orders_user_placed_at;`,
		"rewritten":       right + ` UPDATE orders SET user_id = user_id;`,
		"locks-users":     `lock table users; ` + right,
		"locked":          `LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; ` + right,
		"two-and-online":  `SET maintenance_work_mem = '256MB'; CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_user_placed_at ON orders (user_id, placed_at DESC);`,
		"mysql-statement": `ALTER TABLE orders ADD INDEX orders_user_placed_at (user_id, placed_at);`,

		// Right ones.
		"online":         `CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_user_placed_at ON public.orders (user_id, placed_at DESC)`,
		"ascending":      `CREATE INDEX IF NOT EXISTS history ON public.orders USING btree (user_id, placed_at);`,
		"only-the-user":  `create index if not exists by_user on orders (user_id)`,
		"covering":       `CREATE INDEX IF NOT EXISTS orders_history ON orders (user_id, placed_at DESC, id) INCLUDE (total_cents, status);`,
		"by-hash":        `CREATE INDEX IF NOT EXISTS by_user ON ONLY orders USING hash (user_id);`,
		"forgives":       `DO $$ BEGIN CREATE INDEX history ON orders (user_id, placed_at DESC, id DESC); EXCEPTION WHEN duplicate_table THEN NULL; END $$;`,
		"asks-the-books": `DO $$ BEGIN IF to_regclass('orders_history') IS NULL THEN CREATE INDEX orders_history ON orders (user_id, placed_at DESC); END IF; END $$;`,
	}
}

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	variants := make(map[string]func(*service.Composition))
	for name, sql := range SQL() {
		variants[name] = func(c *service.Composition) { replaceIndex(c, sql) }
	}
	return variants
}

// replaceIndex puts SQL in the place of the solution's.
func replaceIndex(c *service.Composition, sql string) {
	for i, change := range c.SchemaChanges {
		if change.Name == "00-baseline/index.sql" {
			c.SchemaChanges[i].SQL = sql
		}
	}
}
