package spec

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// record has the control database keep each map with its time, and each server each state of its
// fence. The times are those of one clock, because all databases are on one server.
func (c *cluster) record(ctx context.Context) error {
	err := runAll(ctx, c.control, []string{
		`CREATE TABLE recorded (version bigint, phase text, home smallint[], target smallint[], new_from bytea, cursor bytea, at timestamptz DEFAULT clock_timestamp())`,
		`CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS
		 $$ BEGIN INSERT INTO recorded SELECT NEW.version, NEW.phase, NEW.home, NEW.target, NEW.new_from, NEW.cursor; RETURN NEW; END $$`,
		`CREATE TRIGGER recorded AFTER UPDATE ON shard_map FOR EACH ROW WHEN (OLD.version <> NEW.version OR OLD.cursor <> NEW.cursor) EXECUTE FUNCTION record()`,
		`INSERT INTO recorded SELECT version, phase, home, target, new_from, cursor FROM shard_map`,
	})
	if err != nil {
		return err
	}
	for server := range c.servers {
		err := c.exec(ctx, shard.Server(server),
			`CREATE TABLE recorded (version bigint, open boolean, at timestamptz DEFAULT clock_timestamp())`,
			`CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS
			 $$ BEGIN INSERT INTO recorded VALUES (NEW.version, NEW.open); RETURN NEW; END $$`,
			`CREATE TRIGGER recorded AFTER UPDATE ON shard_fence FOR EACH ROW EXECUTE FUNCTION record()`)
		if err != nil {
			return err
		}
	}
	return nil
}

// recordedMap is a map, and the time at which it was published.
type recordedMap struct {
	shard.Map
	at time.Time
}

// maps returns all maps since record, in order.
func (c *cluster) maps(ctx context.Context) (all []recordedMap, err error) {
	const query = `
SELECT DISTINCT ON (version) version, phase, array_to_json(home), array_to_json(target), convert_from(new_from, 'UTF8'), at FROM recorded ORDER BY version, at`
	err = postgres.Each(ctx, c.control, query, nil, func(scan func(...any) error) (err error) {
		var m recordedMap
		var phase, from string
		var home, target []byte
		if err := scan(&m.Version, &phase, &home, &target, &from, &m.at); err != nil {
			return err
		}
		m.NewFrom = bytebites.UserID(from)
		m.Phase, err = shard.ParsePhase(phase)
		err = errors.Join(err, assign(&m.Source, home), assign(&m.Target, target))
		all = append(all, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read recorded maps: %w", err)
	}
	return all, nil
}

// closedAt reports whether the fence of a server was closed when the map with a version was
// published. It was if the last state before the version's own is a closed one.
func (c *cluster) closedAt(ctx context.Context, server shard.Server, m recordedMap) (bool, error) {
	var open bool
	err := c.servers[server].QueryRowContext(ctx, `SELECT open FROM recorded WHERE at <= $1 ORDER BY at DESC LIMIT 1`, m.at).Scan(&open)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read states of the fence of server %d: %w", server, err)
	}
	return !open, nil
}

// wantSafe demands of all maps since record that each is safe beside the one before: homes change
// behind closed fences only, and a server that was home stays a mirror while replicas may read by a
// map in which it was.
func (c *cluster) wantSafe(ctx context.Context) error {
	all, err := c.maps(ctx)
	if err != nil {
		return err
	}
	for i, next := range all {
		for _, before := range all[:i] {
			last := before.Version+1 == next.Version
			replacedAt := next.at
			for _, m := range all[:i] {
				if m.Version == before.Version+1 {
					replacedAt = m.at
				}
			}
			if !last && next.at.Sub(replacedAt) > oldMapsFor {
				continue
			}
			if err := c.wantSafeStep(ctx, before, next, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantSafeStep compares the places of all subscribers by two maps. last says that next replaced
// before; otherwise some replica may still read by before.
func (c *cluster) wantSafeStep(ctx context.Context, before, next recordedMap, last bool) error {
	for _, user := range c.users {
		was, is := c.place(before.Map, user), c.place(next.Map, user)
		if was.Home != is.Home && was.Home != is.Mirror {
			return &lab.Failure{
				Expected: fmt.Sprintf("server %d, the home of %s in phase %s, to stay their mirror for %s, while replicas may read by that map", was.Home, user, before.Phase, oldMapsFor),
				Seen:     fmt.Sprintf("home %d and mirror %d in phase %s, %s later", is.Home, is.Mirror, next.Phase, next.at.Sub(before.at).Round(time.Millisecond)),
				Look:     lookMover("replicas read by the old map for a moment: keep the old home as the mirror"),
			}
		}
		if !last || was.Home == is.Home {
			continue
		}
		closed, err := c.closedAt(ctx, was.Home, next)
		if err != nil {
			return err
		}
		if !closed {
			return &lab.Failure{
				Expected: fmt.Sprintf("closed fences when the home of %s changes from %d to %d, from phase %s to %s", user, was.Home, is.Home, before.Phase, next.Phase),
				Seen:     fmt.Sprintf("the fence of server %d was open", was.Home),
				Look:     lookHandOver("change homes by control.Switch, which closes the fences; publish only maps with the same homes"),
			}
		}
	}
	return nil
}

// assign reads an assignment from a JSON array.
func assign(to *shard.Assignment, from []byte) error {
	var servers []shard.Server
	if err := json.Unmarshal(from, &servers); err != nil || len(servers) != len(to) {
		return fmt.Errorf("read recorded map: %d buckets, %w", len(servers), err)
	}
	copy(to[:], servers)
	return nil
}
