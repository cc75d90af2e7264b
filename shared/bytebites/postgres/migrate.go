package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed catalogue/*.sql userdata/*.sql
var migrations embed.FS

// TablesVersion is the version of each schema that has all tables, but no keys and no indexes.
// A bulk load runs at this version.
const TablesVersion = 1

// Schema is a set of migrations. Each set has its own version table, so both may share a
// database.
type Schema struct {
	dir   string
	table string
}

// CatalogueSchema is the schema of meals, stock and the directory.
func CatalogueSchema() Schema { return Schema{dir: "catalogue", table: "goose_catalogue"} }

// UserDataSchema is the schema of all data that belongs to one subscriber.
func UserDataSchema() Schema { return Schema{dir: "userdata", table: "goose_userdata"} }

// MigrateCatalogue migrates the catalogue's schema to its latest version.
func MigrateCatalogue(ctx context.Context, db *sql.DB) error { return CatalogueSchema().Up(ctx, db) }

// MigrateUserData migrates the user data's schema to its latest version.
func MigrateUserData(ctx context.Context, db *sql.DB) error { return UserDataSchema().Up(ctx, db) }

// Up migrates the schema to its latest version. Several replicas may call it at once: one
// migrates while the others wait. It needs one connection.
func (s Schema) Up(ctx context.Context, db *sql.DB) error {
	provider, err := s.provider(db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return wrap(ctx, "migrate "+s.dir, err)
	}
	return nil
}

// UpTo migrates the schema to the version, unless it has that version or a later one.
func (s Schema) UpTo(ctx context.Context, db *sql.DB, version int64) error {
	provider, err := s.provider(db)
	if err != nil {
		return err
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return wrap(ctx, fmt.Sprintf("migrate %s to version %d", s.dir, version), err)
	}
	return nil
}

// Version returns the schema's current version, or 0 in an empty database.
func (s Schema) Version(ctx context.Context, db *sql.DB) (int64, error) {
	provider, err := s.provider(db)
	if err != nil {
		return 0, err
	}
	version, err := provider.GetDBVersion(ctx)
	return version, wrap(ctx, "read version of "+s.dir, err)
}

func (s Schema) provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, s.dir)
	if err != nil {
		return nil, fmt.Errorf("open migrations of %s: %w", s.dir, err)
	}
	// A session's advisory lock ends with its connection, so a replica that dies releases it.
	// Waiting replicas try it once a second, at most 300 times.
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(int64(crc32.ChecksumIEEE([]byte(s.table)))),
		lock.WithLockTimeout(1, 300),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare lock for %s: %w", s.dir, err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(s.table),
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
	)
	if err != nil {
		return nil, fmt.Errorf("read migrations of %s: %w", s.dir, err)
	}
	return provider, nil
}

// MigrationsKey returns a hash of all migrations of both schemas.
func MigrationsKey() string { return keyOf(migrations) }

// keyOf returns a hash of the names and contents of all files.
func keyOf(files fs.FS) string {
	sum := sha256.New()
	if err := WriteFiles(sum, files); err != nil {
		panic(err) // embedded files can always be read
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// WriteFiles writes the names and contents of all files to w, in order of name, to hash them. A clone on
// Windows may have other line ends, which change neither schema nor data.
func WriteFiles(w io.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
		_, err = fmt.Fprintf(w, "%s %d\n%s", path, len(content), content)
		return err
	})
}
