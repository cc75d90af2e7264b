package verify

import (
	"slices"
	"testing"
	"testing/fstest"
)

// TestAPI compares what two sources export.
func TestAPI(t *testing.T) {
	tests := []struct {
		name, folder, solution string
		want                   []string // the names that differ
	}{
		{"the same", "func F(a int) error { return nil }", "func F(b int) error { panic(1) }", nil},
		{"names of parameters", "func F(a, b int) (n int, err error)", "func F(x int, y int) (int, error)", nil},
		{"in a function's type", "func F(f func(a, b int) (n int))", "func F(f func(int, int) int)", nil},
		{"a result more", "func F() error", "func F() (int, error)", []string{"func F"}},
		{"a parameter's type", "func F(a int)", "func F(a string)", []string{"func F"}},
		{"variadic", "func F(a ...int)", "func F(a []int)", []string{"func F"}},
		{"direction of a channel", "func F(c <-chan int)", "func F(c chan int)", []string{"func F"}},
		{"type parameters", "func F[T any](t T)", "func F[T comparable](t T)", []string{"func F"}},
		{"not exported", "func f(); type t int; const c = 1; var v int", "", nil},
		{"a function becomes a variable", "func F()", "var F func()", []string{"func F", "var F"}},
		{"a constant becomes a variable", "const C = 1", "var C = 1", []string{"const C", "var C"}},
		{"another value", "const C = 1", "const C = 2", nil},
		{"another type of constant", "const C int = 1", "const C string = `1`", []string{"const C"}},
		{"a type that holds on", "const (\n A int = iota\n B\n)", "const (\n A int = iota\n B string = ``\n)", []string{"const B"}},
		{"a value ends the type", "const (\n A int = 1\n B = 2\n)", "const (\n A int = 1\n B int = 2\n)", []string{"const B"}},
		{"a hidden field", "type T struct { A int; b string }", "type T struct { A int; c, d bool }", nil},
		{"a field", "type T struct { A int }", "type T struct { A int; B int }", []string{"type T"}},
		{"an embedded type", "type T struct { error }", "type T struct {}", []string{"type T"}},
		{"layout and comments", "type T struct { A, B int }", "// T is.\ntype T struct {\n\t// A is.\n\tA, B int\n\n}", nil},
		{"alias", "type T = int", "type T int", []string{"type T"}},
		{"an interface", "type T interface { M(a int) }", "type T interface { M(b int) error }", []string{"type T"}},
		{"generic", "type T[K any] struct{}", "type T[K comparable] struct{}", []string{"type T"}},
		{"a method", "type T int; func (t T) M()", "type T int; func (t T) M() error", []string{"method T.M"}},
		{"a method that is missing", "type T int; func (t T) M()", "type T int", []string{"method T.M"}},
		{"a method of a generic type", "type T[K any] int; func (t T[K]) M(k K)", "type T[K any] int; func (x T[K]) M(K)", nil},
		{"on a pointer", "type T int; func (t *T) M()", "type T int; func (t T) M()", []string{"method T.M"}},
		{"a method of a hidden type", "type t int; func (t) M()", "", nil},
		{"an import by another name", "import \"a/service\"\nfunc F(s *service.S)", "import other \"a/service\"\nfunc F(s *other.S)", nil},
		{"another package of that name", "import \"a/service\"\nfunc F(s service.S)", "import \"b/service\"\nfunc F(s service.S)", []string{"func F"}},
		{"a part of its own", "import \"m/labs/00-toy/words\"\nfunc F(w words.W)", "import \"m/solutions/00-toy/words\"\nfunc F(w words.W)", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{
				"labs/00-toy/a.go":           {Data: []byte("package toy\n" + tt.folder)},
				"labs/00-toy/a_test.go":      {Data: []byte("package toy\nfunc Test() {}")},
				"solutions/00-toy/a.go":      {Data: []byte("package toy\n" + tt.solution)},
				"solutions/00-toy/b_test.go": {Data: []byte("package toy_test\nfunc Other() {}")},
			}
			read := func(dir string) api {
				a, err := exported(tree, dir, "solutions/00-toy", "labs/00-toy")
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			folder, solution := read("labs/00-toy"), read("solutions/00-toy")
			var got []string
			for _, name := range sortedKeys(folder, solution) {
				if a, ok := folder[name]; !ok || a != solution[name] {
					got = append(got, name)
				} else if _, ok := solution[name]; !ok {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, tt.want) || len(differences(folder, solution)) != len(tt.want) {
				t.Errorf("%q differ, want %q\n%q", got, tt.want, differences(folder, solution))
			}
		})
	}
}
