package verify

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// framePath is the end of the import path of the package that declares Failure and Look.
const framePath = "/shared/workshop/lab"

// looks demands that each failure of a lab's spec names the place to mend. This is a file that
// the learner edits, and a function that the starter declares in it. looks reads the source, so it
// sees failures that no run has met.
func looks(l folder) ([]string, error) {
	files, err := fs.Glob(l.tree, path.Join(l.starter(), "spec", "*.go"))
	if err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	var problems []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(l.tree, file)
		if err != nil {
			return problems, fmt.Errorf("read spec: %w", err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
		if err != nil {
			return problems, fmt.Errorf("read spec: %w", err)
		}
		reader := lookReader{lab: l, learners: l.entry.Editable(), frame: importedAs(parsed, framePath)}
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			problem, err := reader.literal(literal)
			if err != nil {
				problem = err.Error()
			}
			if problem != "" {
				problems = append(problems, fmt.Sprintf("%s:%d: %s", file, set.Position(literal.Pos()).Line, problem))
			}
			return true
		})
	}
	return problems, nil
}

// importedAs returns the name that a file gives to the package whose path ends in end.
func importedAs(file *ast.File, end string) string {
	for _, i := range file.Imports {
		if where, err := strconv.Unquote(i.Path.Value); err == nil && strings.HasSuffix(where, end) {
			if i.Name != nil {
				return i.Name.Name
			}
			return path.Base(where)
		}
	}
	return ""
}

// lookReader judges composite literals of lab.Failure and lab.Look.
type lookReader struct {
	lab      folder
	learners []string // the files that a learner edits
	frame    string   // what the file calls the frame's package
}

// literal returns the fault of a failure or a look. It returns "" without a fault, and for any
// other literal.
func (r lookReader) literal(c *ast.CompositeLit) (problem string, err error) {
	of, ok := c.Type.(*ast.SelectorExpr)
	if !ok {
		return "", nil
	}
	if in, ok := of.X.(*ast.Ident); !ok || in.Name != r.frame {
		return "", nil
	}
	fields := make(map[string]ast.Expr)
	for _, element := range c.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				fields[key.Name] = pair.Value
			}
		}
	}
	switch of.Sel.Name {
	case "Failure":
		if fields["Look"] == nil {
			return "a Failure without a Look says nothing about where to mend it", nil
		}
		return "", nil // the Look is a literal of its own
	case "Look":
		return r.look(fields)
	default:
		return "", nil
	}
}

func (r lookReader) look(fields map[string]ast.Expr) (problem string, err error) {
	file, ok := text(fields["File"])
	if !ok || !slices.Contains(r.learners, file) {
		return fmt.Sprintf("Look.File is %q; want, as a string, one of the files that the learner edits: %s", file, list(r.learners)), nil
	}
	if path.Ext(file) != ".go" {
		if fields["Func"] != nil {
			return file + " has no functions, so Look.Func must be left out", nil
		}
		return "", nil
	}
	function, ok := text(fields["Func"])
	if !ok {
		return file + ": want, as a string in Look.Func, the function to mend", nil
	}
	source, err := fs.ReadFile(r.lab.tree, path.Join(r.lab.starter(), file))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	there, err := functions(source)
	if err == nil && !slices.Contains(there, function) {
		problem = fmt.Sprintf("%s declares no %q; there are: %s", file, function, list(there))
	}
	return problem, err
}

// text is the value of a string literal.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// functions returns what a Go file declares: functions as "Plan", methods as "router.Plan",
// and variables and constants by their names.
func functions(source []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read starter: %w", err)
	}
	var names []string
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			names = append(names, qualified(d))
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if values, ok := s.(*ast.ValueSpec); ok {
					for _, name := range values.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names, nil
}

// qualified is a function's name, after the receiver's type where it has one.
func qualified(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	switch generic := receiver.(type) { // T[K] and T[K, V] are methods of T
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	if of, ok := receiver.(*ast.Ident); ok {
		return of.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
