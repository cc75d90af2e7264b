package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// function returns a file with a function of this body.
func function(body string) []byte {
	return fmt.Appendf(nil, `package p

import "time"

const daily = 3

func keep(any) error { return nil }

func f(x int, ok bool, c chan int) (n int, err error) {
	%s
	return n, err
}

var _ = time.Second
`, body)
}

func TestMutants(t *testing.T) {
	for _, test := range []struct {
		about, body string
		want        []string // kind, and the changed body
	}{
		{"a call", `keep(x)`, []string{removeStatement + ` if !true { keep(x) }`}},
		{"a deferred call", `defer keep(x)`, []string{removeStatement + ` if !true { defer keep(x) }`}},
		{"an assignment", `n = x`, []string{removeStatement + ` if !true { n = x }`}},
		{"a declaration", `m := x; _ = m`, nil},
		{"a value sent", `c <- x`, []string{removeStatement + ` if !true { c <- x }`}},
		{"an error check", `if err != nil { return n, err }`, []string{skipBranch + ` if (err != nil) && !true { return n, err }`}},
		{"an error check with a call", `if err := keep(x); err != nil { return n, err }`,
			[]string{skipBranch + ` if err := keep(x); (err != nil) && !true { return n, err }`}},
		{"a condition without a comparison", `if ok { return n, err }`, []string{
			skipBranch + ` if (ok) && !true { return n, err }`, negateCondition + ` if (ok) != true { return n, err }`}},
		{"a case", `switch { case ok: return n, err }`, []string{skipBranch + ` switch { case ok: if !true { return n, err } }`}},
		{"a case without a body", `switch { case ok: }`, nil},
		{"a case of a select", `select { case n := <-c: keep(n) }`, []string{
			removeStatement + ` select { case n := <-c: if !true { keep(n) } }`,
			skipBranch + ` select { case n := <-c: if !true { keep(n) } }`}},
		{"a number", `m := x + 0x10; _ = m`, []string{offByOne + ` m := x + 17; _ = m`}},
		{"a duration", `m := 5 * time.Second; _ = m`, nil},
		{"a fraction", `m := 0.5; _ = m`, nil},
		{"a function in a function", `g := func() { keep(x) }; _ = g`, []string{removeStatement + ` g := func() { if !true { keep(x) } }; _ = g`}},
	} {
		t.Run(test.about, func(t *testing.T) {
			source := function(test.body)
			mutants, err := mutantsOf("p.go", source)
			if err != nil {
				t.Fatal(err)
			}
			if len(mutants) != len(test.want) {
				t.Fatalf("got %v, want %q", mutants, test.want)
			}
			for i, m := range mutants {
				kind, body, _ := strings.Cut(test.want[i], " ")
				changed := m.apply(source)
				if m.kind != kind || string(changed) != string(function(body)) {
					t.Errorf("got %s\n%s\nwant %s", m.kind, changed, test.want[i])
				}
				if m.line != 10 {
					t.Errorf("line %d, want 10", m.line)
				}
				if err := compiles(changed); err != nil {
					t.Errorf("%s\n%v", changed, err)
				}
			}
		})
	}
}

// All selectable mutants of a function are one program, in which each has its condition.
func TestTogether(t *testing.T) {
	for _, test := range []struct{ about, body, want string }{
		{"a condition", `if ok { return n, err }`, `if ((ok) != m2) && !m1 { return n, err }`},
		{"a call in a branch", `if err != nil { keep(x) }`, `if (err != nil) && !m1 { if !m2 { keep(x) } }`},
		{"a case of one call", `switch { case ok: keep(x) }`, `switch { case ok: if !m1 { if !m2 { keep(x) } } }`},
		{"a case of two calls", `switch { case ok: keep(x); keep(n) }`, `switch { case ok: if !m2 { if !m1 { keep(x) }; if !m3 { keep(n) } } }`},
		{"a call with a function", `keep(func() { n = x })`, `if !m1 { keep(func() { if !m2 { n = x } }) }`},
		{"a number", `n = 3`, `if !m1 { n = 3 }`},
	} {
		t.Run(test.about, func(t *testing.T) {
			source := function(test.body)
			mutants, err := mutantsOf("p.go", source)
			if err != nil {
				t.Fatal(err)
			}
			mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !m.selectable() })
			var conditions []string
			for i := range mutants {
				conditions = append(conditions, fmt.Sprintf("m%d", i+1))
			}
			changed := together(source, mutants, conditions)
			if want := function(test.want); string(changed) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", changed, want)
			}
			if err := compiles([]byte(strings.Replace(string(changed), "const daily", "var m1, m2, m3 bool\n\nconst daily", 1))); err != nil {
				t.Error(err)
			}
		})
	}
}

func compiles(source []byte) error {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "p.go", source, 0)
	if err != nil {
		return err
	}
	config := types.Config{Importer: importTime{}}
	_, err = config.Check("p", files, []*ast.File{parsed}, nil)
	return err
}

// importTime imports a package time with one unit. The real one would be compiled from its source.
type importTime struct{}

func (importTime) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, "time")
	p.Scope().Insert(types.NewConst(token.NoPos, p, "Second", types.Typ[types.Int64], constant.MakeInt64(1e9)))
	p.MarkComplete()
	return p, nil
}

func TestMutantsOfNoGo(t *testing.T) {
	if _, err := mutantsOf("p.go", []byte("SELECT 1")); err == nil {
		t.Error("a file that is no Go was taken")
	}
}
