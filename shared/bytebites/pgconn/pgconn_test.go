package pgconn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/modroot"
)

const plain = "postgres://shop:p%40ss@127.0.0.1:15432/dinner?sslmode=disable"

// hostile returns a value for every variable that the driver reads from the environment, or
// refuses to work with.
func hostile(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	fields := reflect.TypeFor[pq.Config]()
	for i := range fields.NumField() {
		if name := fields.Field(i).Tag.Get("env"); strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "SSLPG") {
			values[name] = "elsewhere"
		}
	}
	if len(values) < 20 {
		t.Fatalf("the driver's Config names only %d variables", len(values))
	}
	values["PGHOSTADDR"] = "192.0.2.1"
	values["PGPORT"] = "1"
	values["PGOPTIONS"] = "-c default_transaction_read_only=on"
	values["PGCONNECT_TIMEOUT"] = "1"
	for _, refused := range []string{
		"PGREQUIRESSL", "PGSSLCOMPRESSION", "PGREALM", "PGGSSENCMODE", "PGGSSDELEGATION", "PGGSSLIB", "PGREQUIREAUTH",
		"PGCHANNELBINDING", "PGSSLCERTMODE", "PGSSLCRL", "PGSSLCRLDIR", "PGREQUIREPEER",
	} {
		values[refused] = "disable"
	}
	return values
}

// clear removes the variables of libpq for the rest of the test.
func clear(t *testing.T) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PG") {
			t.Setenv(name, "") // restores it
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestConfigIgnoresTheEnvironment sets each variable of libpq alone. With most of them the
// driver's own NewConfig gives another configuration or an error.
func TestConfigIgnoresTheEnvironment(t *testing.T) {
	clear(t)
	want, err := pgconn.Config(plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			got, err := pgconn.Config(plain)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("with %s=%s the configuration is\n%+v, want\n%+v", name, value, got, want)
			}
		})
	}
}

// TestConfigIsTheDrivers compares with the driver's own configuration where no variable is set.
func TestConfigIsTheDrivers(t *testing.T) {
	clear(t)
	for _, databaseURL := range []string{
		plain,
		"postgres://shop:secret@db/dinner",
		"postgresql://shop:secret@[::1]:5433/dinner?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem",
		plain + "&application_name=bytebites&connect_timeout=5&jit=off&statement_timeout=10000",
		plain + "&options=-c%20lock_timeout%3D5s&binary_parameters=1",
	} {
		got, gotErr := pgconn.Config(databaseURL)
		want, wantErr := pq.NewConfig(databaseURL)
		if gotErr != nil || wantErr != nil {
			t.Errorf("%s: %v, and the driver says %v", databaseURL, gotErr, wantErr)
			continue
		}
		got.Passfile = "" // not the driver's default, on purpose
		if !reflect.DeepEqual(exported(got), exported(want)) {
			t.Errorf("%s: the configuration is\n%+v, the driver's is\n%+v", databaseURL, got, want)
		}
	}
}

// exported returns the values of a struct's exported fields.
func exported(config pq.Config) map[string]any {
	values := map[string]any{}
	v := reflect.ValueOf(config)
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			values[field.Name] = v.Field(i).Interface()
		}
	}
	return values
}

func TestConfigRejects(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{
		"", "db:5432", "mysql://shop:opensesame@db/dinner", "postgres://shop:opensesame@/dinner",
		"postgres://:opensesame@db/dinner", "postgres://db/dinner", "postgres://shop:opensesame@db:port/dinner",
		"postgres://shop:opensesame@db:0/dinner", "postgres://shop:opensesame@db:70000/dinner",
		"postgres://shop:opensesame@a,b/dinner", "postgres://a:b@c/d?sslmode=opensesame",
		plain + "&connect_timeout=opensesame", plain + "&service=opensesame", plain + "&hostaddr=192.0.2.1",
	} {
		config, err := pgconn.Config(databaseURL)
		if err == nil {
			t.Errorf("%q is accepted: %+v", databaseURL, config)
		}
		if err != nil && strings.Contains(err.Error(), "opensesame") {
			t.Errorf("the error quotes the URL: %v", err)
		}
	}
}

// TestOnlyPlace finds code that lets the driver read the environment.
func TestOnlyPlace(t *testing.T) {
	t.Parallel()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	banned := map[string]string{"NewConfig": "pq", "NewConnector": "pq", "NewListener": "pq", "Open": "sql"}
	files := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || filepath.Base(path) == "pgconn_test.go":
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return nil // a learner's half-typed file
		}
		files++
		ast.Inspect(file, func(n ast.Node) bool {
			selected, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selected.X.(*ast.Ident); ok && banned[selected.Sel.Name] == pkg.Name {
				t.Errorf("%s: %s.%s reads the variables of libpq; use pgconn", set.Position(n.Pos()), pkg.Name, selected.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Fatalf("looked at only %d files below %s", files, root)
	}
}
