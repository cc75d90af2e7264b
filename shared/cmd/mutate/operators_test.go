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
		{"an error that is ignored", `_ = keep(x)`, []string{removeStatement + ` if !true { _ = keep(x) }`}},
		{"a declaration", `m := x; _ = m`, nil},
		{"a value sent", `c <- x`, []string{removeStatement + ` if !true { c <- x }`}},
		{"an error check", `if err != nil { return n, err }`, []string{skipBranch + ` if (err != nil) && !true { return n, err }`}},
		{"an error check with a call", `if err := keep(x); err != nil { return n, err }`,
			[]string{skipBranch + ` if err := keep(x); (err != nil) && !true { return n, err }`}},
		{"a condition without a comparison", `if ok { return n, err }`, []string{
			skipBranch + ` if (ok) && !true { return n, err }`, negateCondition + ` if (ok) != true { return n, err }`}},
		{"a case of a bool", `switch { case ok: return n, err }`, []string{
			skipBranch + ` switch { case (ok) && !true: return n, err }`, negateCondition + ` switch { case (ok) != true: return n, err }`}},
		{"a case of two bools", `switch { case x > n, n <= x: return n, err }`, []string{
			skipBranch + ` switch { case (x > n) && !true, n <= x: return n, err }`, negateCondition + ` switch { case (x > n) != true, n <= x: return n, err }`,
			boundary + ` switch { case x >= n, n <= x: return n, err }`,
			skipBranch + ` switch { case x > n, (n <= x) && !true: return n, err }`, negateCondition + ` switch { case x > n, (n <= x) != true: return n, err }`,
			boundary + ` switch { case x > n, n < x: return n, err }`}},
		{"a case of two conditions", `switch { case ok && n == x: return n, err }`, []string{
			skipBranch + ` switch { case (ok && n == x) && !true: return n, err }`, negateCondition + ` switch { case (ok && n == x) != true: return n, err }`,
			invertLogical + ` switch { case ok || n == x: return n, err }`}},
		{"a case of a bool without a body", `switch { case n == x: }`, []string{
			skipBranch + ` switch { case (n == x) && !true: }`, negateCondition + ` switch { case (n == x) != true: }`}},
		{"a default", `switch { default: return n, err }`, []string{skipBranch + ` switch { default: if !true { return n, err } }`}},
		{"a case of a value", `switch x { case n: return n, err }`, []string{skipBranch + ` switch x { case n: if !true { return n, err } }`}},
		{"a case of a value without a body", `switch x { case n: }`, nil},
		{"a case that falls through", `switch x { case n: fallthrough; default: return n, err }`, []string{
			skipBranch + ` switch x { case n: fallthrough; default: if !true { return n, err } }`}},
		{"a case of a type", `switch any(x).(type) { case int: return n, err }`, []string{
			skipBranch + ` switch any(x).(type) { case int: if !true { return n, err } }`}},
		{"a case of a select", `select { case n := <-c: keep(n) }`, []string{
			removeStatement + ` select { case n := <-c: if !true { keep(n) } }`,
			skipBranch + ` select { case n := <-c: if !true { keep(n) } }`}},
		{"a switch that ends a function", `g := func() (a, b int, c error) { switch x { default: return n, x, err } }; _ = g`, []string{
			skipBranch + ` g := func() (a, b int, c error) { switch x { default: if !true { return n, x, err }; return *new(int), *new(int), *new(error) } }; _ = g`}},
		{"a switch that ends an if that ends a function", `g := func() error { if len("") == n { return err } else { select { case <-c: return err } } }; _ = g`, []string{
			skipBranch + ` g := func() error { if (len("") == n) && !true { return err } else { select { case <-c: return err } } }; _ = g`,
			skipBranch + ` g := func() error { if len("") == n { return err } else { select { case <-c: if !true { return err }; return *new(error) } } }; _ = g`}},
		{"a switch that ends a function without results", `g := func() { switch x { default: return } }; _ = g`, []string{
			skipBranch + ` g := func() { switch x { default: if !true { return } } }; _ = g`}},
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
		{"a case of one call", `switch x { case n: keep(x) }`, `switch x { case n: if !m1 { if !m2 { keep(x) } } }`},
		{"a case of two calls", `switch x { case n: keep(x); keep(n) }`, `switch x { case n: if !m2 { if !m1 { keep(x) }; if !m3 { keep(n) } } }`},
		{"a case of a bool", `switch { case ok: keep(x) }`, `switch { case ((ok) != m2) && !m1: if !m3 { keep(x) } }`},
		{"switches that end a function", `g := func() int { switch x { default: switch n { default: return x } } }; _ = g`,
			`g := func() int { switch x { default: if !m1 { switch n { default: if !m2 { return x }; return *new(int) } }; return *new(int) } }; _ = g`},
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
