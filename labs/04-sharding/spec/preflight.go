package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// histories is how many order histories are read without an index. Each reads all orders. It is
// more than the pre-flight check needs to judge.
const histories = 120

// historyLength is the number of orders on a page of a history.
const historyLength = 20

// preflight drops the index of lab 00, reads order histories, and demands that a mover refuses to
// start and does not change the map.
func (l *trial) preflight(ctx context.Context, _ *lab.Run) (err error) {
	before, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	putBack, err := l.dropIndexes(ctx)
	if err != nil {
		return err
	}
	// In any case the index is made again, and the statistics from without it are reset.
	defer func() { err = errors.Join(err, putBack(context.WithoutCancel(ctx))) }()
	if err := l.readHistories(ctx); err != nil {
		return err
	}
	m, err := l.startMover(ctx, shard.NewUsers.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.remove(ctx)) }()
	o, err := m.wait(ctx)
	if err != nil {
		return err
	}
	after, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.code == 0 || after.Version != before.Version:
		return &lab.Failure{
			Expected: "a mover that refuses while order histories are read without an index, and does not change the map",
			Seen:     fmt.Sprintf("exit code %d, and the map at version %d, phase %s: %s", o.code, after.Version, after.Phase, why(o.log)),
			Look:     lab.Look{File: "migrate.go", Func: "migrate", Hint: "Apply in lab.go must start it by shardstore.Role, which runs the pre-flight check first"},
		}
	case !strings.Contains(rig.WithoutInfo(o.log), "index"):
		return &lab.Failure{
			Expected: "a mover that says that an index is missing", Seen: fmt.Sprintf("exit code %d: %s", o.code, why(o.log)),
			Look: lab.Look{File: "migrate.go", Func: "migrate", Hint: "the mover ended before its pre-flight check: read mover.log in .workshop/04-sharding"},
		}
	}
	return nil
}

// dropIndexes drops the indexes that labs added to the orders of the old server.
func (l *trial) dropIndexes(ctx context.Context) (putBack func(context.Context) error, err error) {
	old := l.nodes[shard.Old].pool
	var definitions, drops []string
	err = postgres.Each(ctx, old, `
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename = 'orders' AND indexname NOT IN ('orders_pkey', 'orders_key', 'orders_placed_at')`, nil,
		func(scan func(...any) error) error {
			var name, definition string
			if err := scan(&name, &definition); err != nil {
				return err
			}
			// A mover that prepares servers may have made it again.
			definitions = append(definitions, strings.Replace(definition, "INDEX ", "INDEX IF NOT EXISTS ", 1))
			drops = append(drops, `DROP INDEX "`+name+`"`)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("look for indexes: %w", err)
	}
	if len(drops) == 0 {
		return nil, errors.New("the orders have no index to take away: lab 00's is missing")
	}
	putBack = func(ctx context.Context) error {
		return runAll(ctx, old, append(definitions, `SELECT pg_stat_reset()`))
	}
	return putBack, runAll(ctx, old, append(drops, `SELECT pg_stat_reset()`))
}

func runAll(ctx context.Context, db *sql.DB, statements []string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.60s: %w", statement, err)
		}
	}
	return nil
}

// readHistories reads order histories as the service does, in a session that then publishes its
// counts. A replica's session would publish them when it likes: after the mover has read them, or
// after they are reset.
func (l *trial) readHistories(ctx context.Context) (err error) {
	old := l.nodes[shard.Old]
	session, err := postgres.Open(ctx, old.server.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	orders := postgres.NewOrders(session)
	for n := range histories {
		if _, err := orders.History(ctx, l.people[n%len(l.people)].user, bytebites.HistoryCursor{}, historyLength); err != nil {
			return err
		}
	}
	if err := runAll(ctx, session, []string{`SELECT pg_stat_force_next_flush()`}); err != nil {
		return err
	}
	var scans int
	if err := session.QueryRowContext(ctx, `SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'`).Scan(&scans); err != nil {
		return fmt.Errorf("count scans: %w", err)
	}
	if scans < histories {
		return fmt.Errorf("%d histories were read without an index, and %d scans counted", histories, scans)
	}
	return nil
}
