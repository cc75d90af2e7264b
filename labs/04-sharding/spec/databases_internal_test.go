package spec

import (
	"slices"
	"testing"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// TestDatabasesAreEmptied has checks change databases, and demands that the next check gets them as new or
// not at all.
func TestDatabasesAreEmptied(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server")
	}
	ctx := t.Context()
	l := newTrial(Subject{Router: newPlain()}, early())
	stop, err := l.startDatabases(ctx, &lab.Run{})
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*cluster) error
		kept   bool // whether the next check gets the same databases
	}{
		{"a mark", func(c *cluster) error {
			return c.exec(ctx, shard.Old, `INSERT INTO shard_marks (user_id, version) SELECT user_id, 3 FROM users`)
		}, true},
		{"who left", func(c *cluster) error {
			return c.exec(ctx, shard.Old, `INSERT INTO shard_left (user_id, version) SELECT user_id, 3 FROM users`)
		}, true},
		{"a fence", func(c *cluster) error {
			return c.exec(ctx, shard.Old, `UPDATE shard_fence SET version = 3, open = true, turn = 2`)
		}, true},
		// Its trigger would leave a mark on a fence that is emptied.
		{"a mark at each closing", func(c *cluster) error { return c.strandAtClosing(ctx, c.users[0]) }, true},
		{"a spoilt cart", func(c *cluster) error { return c.spoil(ctx, shard.Old, c.users[0]) }, true},
		{"a refused table", func(c *cluster) error { return c.refuse(ctx, shard.Old, "carts") }, true},
		{"a trigger without a name that a check gives", func(c *cluster) error {
			return c.exec(ctx, shard.Old,
				`CREATE FUNCTION anything() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
				`CREATE TRIGGER anyhow BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION anything()`)
		}, true},
		{"an index", func(c *cluster) error { return c.exec(ctx, shard.Old, `CREATE INDEX another ON carts (user_id)`) }, false},
		{"a table", func(c *cluster) error { return c.exec(ctx, shard.Old, `CREATE TABLE another (id int)`) }, false},
		{"a column", func(c *cluster) error { return c.exec(ctx, shard.Old, `ALTER TABLE users ADD COLUMN another int`) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, end, err := l.newCluster(ctx, 1, 3)
			if err == nil {
				err = test.change(c)
			}
			changed := c.names[1]
			end()
			if err != nil {
				t.Fatal(err)
			}
			if kept := slices.Contains(l.databases.freeServers, changed); kept != test.kept {
				t.Errorf("the next check may get the database: %t, want %t", kept, test.kept)
			}
			for _, name := range l.databases.freeServers {
				db, err := l.databases.openAs(ctx, checkName, name, 1)
				if err != nil {
					t.Fatal(err)
				}
				is, err := contents(ctx, db)
				if err != nil || is != l.databases.emptyServer {
					t.Errorf("database %s holds %s (error %v), want %s", name, is, err, l.databases.emptyServer)
				}
				var fence string
				err = db.QueryRowContext(ctx, `SELECT format('version %s, open %s, turn %s', version, open, turn) FROM shard_fence`).Scan(&fence)
				if want := "version 0, open f, turn 0"; err != nil || fence != want {
					t.Errorf("database %s has a fence of %s (error %v), want %s", name, fence, err, want)
				}
				_ = db.Close()
			}
		})
	}
}
