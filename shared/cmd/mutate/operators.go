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

// The kinds of mutants. Gremlins has none of the first four. It has the others, and takes the conditions
// of cases for code that no test reaches.
const (
	removeStatement = "REMOVE_STATEMENT" // a call, an assignment, a defer
	skipBranch      = "SKIP_BRANCH"      // the branch of an if or of a case: an error check is dropped
	negateCondition = "NEGATE_CONDITION" // of a case, or of an if without a comparison
	offByOne        = "OFF_BY_ONE"       // a whole number in a function grows by one
	boundary        = "CONDITIONALS_BOUNDARY"
	invertLogical   = "INVERT_LOGICAL"
)

// swapped returns the kind of the mutant of an operator in the condition of a case, and the operator
// that it has instead. The kind is empty for an operator that stays.
func swapped(operator token.Token) (kind string, instead token.Token) {
	switch operator {
	case token.LSS:
		return boundary, token.LEQ
	case token.LEQ:
		return boundary, token.LSS
	case token.GTR:
		return boundary, token.GEQ
	case token.GEQ:
		return boundary, token.GTR
	case token.LAND:
		return invertLogical, token.LOR
	case token.LOR:
		return invertLogical, token.LAND
	default:
		return "", operator
	}
}

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
	// coverLine and coverCol are a place that is reached only when the mutated code is. The word "case"
	// is in no block of a coverage profile.
	coverLine, coverCol int
}

func (m mutant) String() string { return fmt.Sprintf("%d:%d %s", m.line, m.col, m.kind) }

// apply returns the source with the mutant's edits.
func (m mutant) apply(source []byte) []byte { return together(source, []mutant{m}, []string{"true"}) }

// selectable reports whether the mutant can be in one program with others. A number cannot: its type
// depends on where it stands, and it may have to be a constant. An operator is no expression.
func (m mutant) selectable() bool {
	return !slices.Contains([]string{offByOne, boundary, invertLogical}, m.kind)
}

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
	file   *token.File
	source []byte
	found  []mutant
	// last has each statement that ends a function with results, and a return of zeros for it. Without
	// its branch such a statement would lack a return, and the mutant would not compile.
	last map[ast.Stmt]string
	// switchOf has, for each number in the condition of a case, where the switch begins.
	switchOf map[*ast.BasicLit]token.Pos
}

// mutantsOf returns the mutants of the functions of a file, in order of place. Some of them do not
// compile. A change keeps all uses of variables and imports, so that most of them do.
func mutantsOf(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	f := &finder{file: files.File(parsed.FileStart), source: source, last: make(map[ast.Stmt]string), switchOf: make(map[*ast.BasicLit]token.Pos)}
	for _, declaration := range parsed.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Body != nil {
			f.endsOf(function.Type, function.Body)
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
	case *ast.FuncLit:
		f.endsOf(n.Type, n.Body)
	case *ast.SwitchStmt:
		f.cases(n, n.Body, n.Tag == nil)
	case *ast.TypeSwitchStmt:
		f.cases(n, n.Body, false)
	case *ast.SelectStmt:
		f.cases(n, n.Body, false)
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
			if s.Tok == token.DEFINE || isBlank(s) {
				continue
			}
		default:
			continue
		}
		// A branch that is not taken keeps the uses of variables.
		f.add(removeStatement, statement.Pos(), f.insert(statement.Pos(), "if !"+selected+" { "), f.insert(statement.End(), " }"))
	}
}

// endsOf notes the statements that end a function with results.
func (f *finder) endsOf(function *ast.FuncType, body *ast.BlockStmt) {
	if function.Results == nil || len(function.Results.List) == 0 {
		return
	}
	var zeros []string
	for _, field := range function.Results.List {
		zero := "*new(" + string(f.source[f.file.Offset(field.Type.Pos()):f.file.Offset(field.Type.End())]) + ")"
		zeros = append(zeros, slices.Repeat([]string{zero}, max(1, len(field.Names)))...)
	}
	f.ends(body.List, "; return "+strings.Join(zeros, ", "))
}

// ends notes the last statement of a list, and the last ones of its branches.
func (f *finder) ends(list []ast.Stmt, zeros string) {
	if len(list) == 0 {
		return
	}
	var branches *ast.BlockStmt
	switch s := list[len(list)-1].(type) {
	case *ast.BlockStmt:
		f.ends(s.List, zeros)
		return
	case *ast.IfStmt:
		f.ends(s.Body.List, zeros)
		if s.Else != nil {
			f.ends([]ast.Stmt{s.Else}, zeros)
		}
		return
	case *ast.SwitchStmt:
		branches = s.Body
	case *ast.TypeSwitchStmt:
		branches = s.Body
	case *ast.SelectStmt:
		branches = s.Body
	default:
		return
	}
	f.last[list[len(list)-1]] = zeros
	for _, clause := range branches.List {
		_, body, _ := partsOf(clause)
		f.ends(body, zeros)
	}
}

// partsOf returns the conditions and the body of a case, and where the body begins. A case of a select
// has no conditions.
func partsOf(clause ast.Stmt) (conditions []ast.Expr, body []ast.Stmt, begin token.Pos) {
	switch c := clause.(type) {
	case *ast.CaseClause:
		return c.List, c.Body, c.Colon + 1
	case *ast.CommClause:
		return nil, c.Body, c.Colon + 1
	default:
		return nil, nil, token.NoPos
	}
}

// cases finds the mutants of the cases of a switch or a select. A case with a bool is never taken.
// Another one stays, and its body is left out.
func (f *finder) cases(of ast.Stmt, branches *ast.BlockStmt, bools bool) {
	for _, clause := range branches.List {
		conditions, body, begin := partsOf(clause)
		f.statements(body)
		for _, condition := range conditions {
			f.operators(condition, of.Pos())
		}
		if bools && len(conditions) > 0 {
			for _, condition := range conditions {
				f.skip(condition.Pos(), condition, begin)
				f.negate(condition.Pos(), condition, of.Pos())
			}
		} else if len(body) > 0 && !isFallthrough(body[len(body)-1]) { // that has to be the last of its case
			f.addCovered(skipBranch, clause.Pos(), begin,
				f.insert(body[0].Pos(), "if !"+selected+" { "), f.insert(body[len(body)-1].End(), " }"+f.last[of]))
		}
	}
}

func isFallthrough(s ast.Stmt) bool {
	branch, ok := s.(*ast.BranchStmt)
	return ok && branch.Tok == token.FALLTHROUGH
}

// operators finds the operators in the condition of a case, and notes its numbers.
func (f *finder) operators(condition ast.Expr, switchAt token.Pos) {
	ast.Inspect(condition, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BasicLit:
			f.switchOf[n] = switchAt
		case *ast.BinaryExpr:
			if kind, instead := swapped(n.Op); kind != "" {
				at := f.file.Offset(n.OpPos)
				f.addCovered(kind, n.OpPos, switchAt, edit{at, at + len(n.Op.String()), instead.String()})
			}
		}
		return true
	})
}

func (f *finder) condition(s *ast.IfStmt) {
	f.skip(s.Pos(), s.Cond, s.Pos())
	if _, compares := s.Cond.(*ast.BinaryExpr); !compares {
		f.negate(s.Pos(), s.Cond, s.Pos())
	}
}

// skip adds the mutant of a branch that is never taken.
func (f *finder) skip(at token.Pos, condition ast.Expr, covered token.Pos) {
	f.addCovered(skipBranch, at, covered, f.insert(condition.Pos(), "("), f.insert(condition.End(), ") && !"+selected))
}

// negate adds the mutant of a branch that is taken when it should not be, and only then.
func (f *finder) negate(at token.Pos, condition ast.Expr, covered token.Pos) {
	f.addCovered(negateCondition, at, covered, f.insert(condition.Pos(), "("), f.insert(condition.End(), ") != "+selected))
}

func (f *finder) literal(l *ast.BasicLit) {
	if l.Kind != token.INT {
		return
	}
	value, err := strconv.ParseInt(l.Value, 0, 64)
	if err != nil {
		return
	}
	covered, inCase := f.switchOf[l]
	if !inCase {
		covered = l.Pos()
	}
	f.addCovered(offByOne, l.Pos(), covered, edit{f.file.Offset(l.Pos()), f.file.Offset(l.End()), strconv.FormatInt(value+1, 10)})
}

func (f *finder) insert(pos token.Pos, text string) edit {
	at := f.file.Offset(pos)
	return edit{at, at, text}
}

func (f *finder) add(kind string, pos token.Pos, edits ...edit) {
	f.addCovered(kind, pos, pos, edits...)
}

// addCovered adds a mutant at pos that the checks reach if they reach covered.
func (f *finder) addCovered(kind string, pos, covered token.Pos, edits ...edit) {
	place, reached := f.file.Position(pos), f.file.Position(covered)
	f.found = append(f.found, mutant{kind: kind, line: place.Line, col: place.Column, edits: edits, coverLine: reached.Line, coverCol: reached.Column})
}

// isBlank reports whether an assignment keeps nothing and calls nothing, such as _ = x.
func isBlank(s *ast.AssignStmt) bool {
	for _, target := range s.Lhs {
		if name, ok := target.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	calls := false
	for _, value := range s.Rhs {
		ast.Inspect(value, func(node ast.Node) bool {
			_, is := node.(*ast.CallExpr)
			calls = calls || is
			return !calls
		})
	}
	return !calls
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
