package images_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/wait"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/images"
)

const readyToAccept = "database system is ready to accept connections"

// writeFiles writes files that a container's user can read, and returns their folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func query[T any](t *testing.T, url, statement string) T {
	t.Helper()
	var got T
	with(t, url, func(db *sql.DB) error { return db.QueryRowContext(t.Context(), statement).Scan(&got) }, statement)
	return got
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	with(t, url, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), statement)
		return err
	}, statement)
}

// with opens a database and fails the test when use returns an error.
func with(t *testing.T, url string, use func(*sql.DB) error, statement string) {
	t.Helper()
	db, err := pgconn.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := use(db); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestPostgresByTestcontainers(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Postgres)
	scripts := writeFiles(t, map[string]string{"seed.sql": "CREATE TABLE dish (name text); INSERT INTO dish VALUES ('ramen');"})
	c, err := postgres.Run(t.Context(), string(ref),
		postgres.WithUsername("chef"), postgres.WithPassword("s3cret"), postgres.WithDatabase("kitchen"),
		postgres.WithInitScripts(filepath.Join(scripts, "seed.sql")),
		testcontainers.WithLabels(hostlock.Owner()),
		testcontainers.WithWaitStrategy(wait.ForLog(readyToAccept).WithOccurrence(2).WithStartupTimeout(time.Minute)),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.ConnectionString(t.Context(), "sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, url, "SELECT name FROM dish"); got != "ramen" {
		t.Errorf("the init script's row is %q", got)
	}
	if got := query[string](t, url, "SELECT current_user || ' ' || current_database()"); got != "chef kitchen" {
		t.Errorf("user and database are %q", got)
	}
	requireUser(t, eng, c.GetContainerID(), "999")
}

func TestPostgresByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Postgres)
	secret := writeFiles(t, map[string]string{"password": "fr0m file\n"})
	scripts := writeFiles(t, map[string]string{
		"10-table.sql": "CREATE TABLE dish (name text);",
		"20-row.sh":    `psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -c "INSERT INTO dish VALUES ('gnocchi')"`,
		"readme.txt":   "to be ignored",
	})
	s := dockerRun(t, eng, ref, runOptions{
		env:     []string{"POSTGRES_PASSWORD_FILE=/run/secret/password", "POSTGRES_USER=chef"},
		binds:   []string{secret + ":/run/secret:ro", scripts + ":/docker-entrypoint-initdb.d:ro"},
		command: []string{"-c", "shared_preload_libraries=pg_stat_statements", "-c", "max_connections=42"},
		ports:   []string{"5432"},
	})
	s.waitForLog(readyToAccept, 2)
	url := fmt.Sprintf("postgres://chef:fr0m%%20file@%s/chef?sslmode=disable", s.address("5432"))
	for statement, want := range map[string]string{
		"SELECT name FROM dish":    "gnocchi",
		"SHOW max_connections":     "42",
		"SHOW fsync":               "on",
		"SHOW data_directory":      "/var/lib/postgresql/data",
		"SHOW server_encoding":     "UTF8",
		"SHOW lc_messages":         "en_US.utf8",
		"SHOW jit_provider":        "llvmjit",
		"SHOW password_encryption": "scram-sha-256",
		"SELECT datcollate FROM pg_database WHERE datname = 'chef'": "en_US.utf8",
	} {
		if got := query[string](t, url, statement); got != want {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
	// The order shows that the collation is in use: C would put upper case first.
	if got := query[bool](t, url, "SELECT 'a' < 'B'"); !got {
		t.Error("text sorts by the C locale")
	}
	execute(t, url, "CREATE EXTENSION pg_stat_statements")
	if got := query[int](t, url, "SELECT count(*) FROM pg_stat_statements"); got == 0 {
		t.Error("pg_stat_statements has seen nothing")
	}
	if wrong, err := pgconn.Open(fmt.Sprintf("postgres://chef:wrong@%s/chef?sslmode=disable", s.address("5432"))); err != nil {
		t.Error(err)
	} else {
		if err := wrong.PingContext(t.Context()); err == nil {
			t.Error("a wrong password is accepted")
		}
		if err := wrong.Close(); err != nil {
			t.Error(err)
		}
	}
	requireUser(t, eng, s.id, "999")
	if _, declared := s.inspect().Config.Volumes["/var/lib/postgresql/data"]; !declared {
		t.Error("the data directory is not a declared volume")
	}
	s.stop("SIGINT")
}

func TestPostgresWithoutPasswordRefuses(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Postgres)
	s := dockerRun(t, eng, ref, runOptions{})
	s.waitFor("the container to end", func() error {
		if s.inspect().State.Running {
			return fmt.Errorf("it runs")
		}
		return nil
	})
	if s.inspect().State.ExitCode == 0 {
		t.Error("an empty superuser password is accepted")
	}
}

func TestDataset(t *testing.T) {
	t.Parallel()
	eng, _ := imageFor(t, images.Postgres)
	size := seed.Small()
	ref, err := images.EnsureDataset(t.Context(), eng, progress.Stderr(), size)
	if err != nil {
		t.Fatal(err)
	}
	again := time.Now()
	if second, err := images.EnsureDataset(t.Context(), eng, progress.Stderr(), size); err != nil || second != ref {
		t.Errorf("the second call returns %s, %v, want %s", second, err, ref)
	}
	if took := time.Since(again); took > 2*time.Second {
		t.Errorf("the second call took %s", took)
	}
	image, err := eng.ImageInspect(t.Context(), string(ref))
	if err != nil {
		t.Fatal(err)
	}
	// Containers inherit the labels of their image, and a sweep removes the containers of a
	// dead owner.
	if hostlock.Owned(image.Config.Labels) {
		t.Errorf("the image carries its builder's labels: %v", image.Config.Labels)
	}
	s := dockerRun(t, eng, ref, runOptions{ports: []string{"5432"}})
	s.waitForLog(readyToAccept, 1)
	url := fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", images.DatasetUser, images.DatasetPassword, s.address("5432"), images.DatasetDatabase)
	if got := query[int](t, url, "SELECT count(*) FROM orders"); got != size.Orders {
		t.Errorf("%d orders, want %d", got, size.Orders)
	}
	if got := query[string](t, url, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s in the image", got)
	}
	if got := query[string](t, url, "SHOW data_directory"); got != images.DatasetPGData {
		t.Errorf("the data directory is %s", got)
	}
	// The start must run neither crash recovery nor a vacuum.
	if got := query[int](t, url, "SELECT count(*) FROM pg_class WHERE relname = 'orders' AND relallvisible >= relpages AND relpages > 0"); got != 1 {
		t.Error("the orders are not vacuumed")
	}
	for what, count := range map[string]string{
		"tables that are not analysed":         `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 0`,
		"databases without pg_stat_statements": `SELECT 1 - count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'`,
		// The rules of autovacuum, with its default settings.
		"tables that autovacuum would see to": `
			SELECT count(*) FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
			WHERE c.relkind = 'r' AND (s.n_dead_tup > 50 + 0.2 * c.reltuples OR s.n_ins_since_vacuum > 1000 + 0.2 * c.reltuples
			      OR s.n_mod_since_analyze > 50 + 0.1 * c.reltuples AND c.oid <> 'pg_statistic'::regclass)`, // which is never analysed
	} {
		if got := query[int](t, url, count); got != 0 {
			t.Errorf("%d %s", got, what)
		}
	}
	execute(t, url, "CREATE EXTENSION pg_visibility")
	if got := query[int](t, url, `
		SELECT count(*) FROM pg_class, pg_visibility_map_summary(oid) seen
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
		      AND seen.all_frozen < pg_relation_size(oid) / current_setting('block_size')::integer`); got != 0 {
		t.Errorf("%d tables are not frozen", got)
	}
	requireUser(t, eng, s.id, "999")
	s.stop("SIGINT")
}
