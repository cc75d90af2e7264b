package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// The kinds of mutants. Gremlins has none of them.
const (
	removeStatement = "REMOVE_STATEMENT" // a call, an assignment, a defer
	skipBranch      = "SKIP_BRANCH"      // the branch of an if or of a case: an error check is dropped
	negateCondition = "NEGATE_CONDITION" // of an if without a comparison; gremlins negates comparisons
	offByOne        = "OFF_BY_ONE"       // a whole number in a function grows by one
)

// selected stands in the text of an edit for the condition that the mutant is the one to run.
const selected = "@"

// edit replaces the bytes from start to end of a file.
type edit struct {
	start, end int
	text       string
}

// mutant is a change of one place of a file.
type mutant struct {
	kind  string
	line  int // from 1
	col   int // from 1
	edits []edit
}

func (m mutant) String() string { return fmt.Sprintf("%d:%d %s", m.line, m.col, m.kind) }

// apply returns the source with the mutant's edits.
func (m mutant) apply(source []byte) []byte { return together(source, []mutant{m}, []string{"true"}) }

// selectable reports whether the mutant can be in one program with others. A number cannot: its type
// depends on where it stands, and it may have to be a constant.
func (m mutant) selectable() bool { return m.kind != offByOne }

// together returns the source with the edits of all mutants. Each is in force while its condition holds.
// Edits of selectable mutants nest: they surround a statement, a list of statements or a condition.
func together(source []byte, mutants []mutant, conditions []string) []byte {
	type placed struct {
		edit
		from, to int // of the mutant
		mutant   int
		closes   bool
	}
	var all []placed
	for i, m := range mutants {
		from, to := m.edits[0].start, m.edits[len(m.edits)-1].end
		for j, e := range m.edits {
			e.text = strings.ReplaceAll(e.text, selected, conditions[i])
			all = append(all, placed{edit: e, from: from, to: to, mutant: i, closes: j > 0})
		}
	}
	// At one place, what ends there comes first and the inner ends before the outer. Then the outer begins before the inner.
	slices.SortStableFunc(all, func(a, b placed) int {
		switch {
		case a.start != b.start:
			return cmp.Compare(a.start, b.start)
		case a.closes && b.closes:
			return cmp.Or(cmp.Compare(b.from, a.from), cmp.Compare(b.mutant, a.mutant))
		case a.closes != b.closes:
			return cmp.Compare(btoi(b.closes), btoi(a.closes))
		default:
			return cmp.Or(cmp.Compare(b.to, a.to), cmp.Compare(a.mutant, b.mutant))
		}
	})
	var changed []byte
	at := 0
	for _, e := range all {
		changed = append(append(changed, source[at:e.start]...), e.text...)
		at = e.end
	}
	return append(changed, source[at:]...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// finder collects the mutants of a file.
type finder struct {
	file  *token.File
	found []mutant
}

// mutantsOf returns the mutants of the functions of a file, in order of place. Some of them do not
// compile. A change keeps all uses of variables and imports, so that most of them do.
func mutantsOf(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	f := &finder{file: files.File(parsed.FileStart)}
	for _, declaration := range parsed.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Body != nil {
			ast.Inspect(function.Body, f.visit)
		}
	}
	slices.SortStableFunc(f.found, func(a, b mutant) int { return a.edits[0].start - b.edits[0].start })
	return f.found, nil
}

func (f *finder) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
		f.branch(n.Pos(), n.Body)
	case *ast.CommClause:
		f.statements(n.Body)
		f.branch(n.Pos(), n.Body)
	case *ast.IfStmt:
		f.condition(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.BinaryExpr:
		return !isDuration(n) // a second more or less is no fault
	}
	return true
}

// statements finds those that can be left out.
func (f *finder) statements(list []ast.Stmt) {
	for _, statement := range list {
		switch s := statement.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || isBlank(s.Lhs) {
				continue
			}
		default:
			continue
		}
		// A branch that is not taken keeps the uses of variables.
		f.add(removeStatement, statement.Pos(), f.insert(statement.Pos(), "if !"+selected+" { "), f.insert(statement.End(), " }"))
	}
}

// branch leaves out the body of a case.
func (f *finder) branch(pos token.Pos, body []ast.Stmt) {
	if len(body) == 0 {
		return
	}
	f.add(skipBranch, pos, f.insert(body[0].Pos(), "if !"+selected+" { "), f.insert(body[len(body)-1].End(), " }"))
}

func (f *finder) condition(s *ast.IfStmt) {
	f.add(skipBranch, s.Pos(), f.insert(s.Cond.Pos(), "("), f.insert(s.Cond.End(), ") && !"+selected))
	if _, compares := s.Cond.(*ast.BinaryExpr); !compares {
		f.add(negateCondition, s.Pos(), f.insert(s.Cond.Pos(), "("), f.insert(s.Cond.End(), ") != "+selected))
	}
}

func (f *finder) literal(l *ast.BasicLit) {
	if l.Kind != token.INT {
		return
	}
	value, err := strconv.ParseInt(l.Value, 0, 64)
	if err != nil {
		return
	}
	f.add(offByOne, l.Pos(), edit{f.file.Offset(l.Pos()), f.file.Offset(l.End()), strconv.FormatInt(value+1, 10)})
}

func (f *finder) insert(pos token.Pos, text string) edit {
	at := f.file.Offset(pos)
	return edit{at, at, text}
}

func (f *finder) add(kind string, pos token.Pos, edits ...edit) {
	place := f.file.Position(pos)
	f.found = append(f.found, mutant{kind: kind, line: place.Line, col: place.Column, edits: edits})
}

// isBlank reports whether an assignment keeps nothing, such as _ = f().
func isBlank(targets []ast.Expr) bool {
	return !slices.ContainsFunc(targets, func(target ast.Expr) bool {
		name, ok := target.(*ast.Ident)
		return !ok || name.Name != "_"
	})
}

// isDuration reports whether an expression is a number of seconds or of another unit of package time.
func isDuration(e *ast.BinaryExpr) bool {
	isUnit := func(side ast.Expr) bool {
		selected, ok := side.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		from, ok := selected.X.(*ast.Ident)
		return ok && from.Name == "time"
	}
	return e.Op == token.MUL && (isUnit(e.X) || isUnit(e.Y))
}
