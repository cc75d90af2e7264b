package verify

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// api is what a package exports, by kind and name ("func Apply", "method T.Close"): the
// signature, with packages written as their import paths. Names of parameters, comments
// and values are no part of it.
type api map[string]string

// exported reads the API of the package in a folder, without its tests. Types of the
// package own are compared by name, so an import from the folder "from" is read as one
// from "to": that of a lab's own parts in the solution is that of the lab.
func exported(tree fs.FS, dir, from, to string) (api, error) {
	files, err := fs.Glob(tree, path.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("read API: %w", err)
	}
	a := make(api)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, fmt.Errorf("read API: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read API: %w", err)
		}
		a["package"] = file.Name.Name
		n := normaliser{importsOf(file, from, to)}
		for _, declaration := range file.Decls {
			n.declaration(a, declaration)
		}
	}
	return a, nil
}

// importsOf returns the import paths by the names that the file calls them. A package
// whose name is not the end of its path is left out, and called what the file calls it.
func importsOf(file *ast.File, from, to string) map[string]string {
	imports := make(map[string]string)
	for _, i := range file.Imports {
		where, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue // the parser has looked
		}
		name := path.Base(where)
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = strings.Replace(where, "/"+from+"/", "/"+to+"/", 1)
	}
	return imports
}

// normaliser writes what a file declares in one form, whatever it calls its imports.
type normaliser struct{ imports map[string]string }

func (n normaliser) declaration(a api, declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		n.function(a, d)
	case *ast.GenDecl:
		var carried ast.Expr // in a list of constants a type holds until the next
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					a["type "+s.Name.Name] = n.typeSpec(s)
				}
			case *ast.ValueSpec:
				if s.Type != nil || len(s.Values) > 0 {
					carried = s.Type
				}
				for _, name := range s.Names {
					if name.IsExported() {
						a[d.Tok.String()+" "+name.Name] = n.expr(carried)
					}
				}
			}
		}
	}
}

func (n normaliser) function(a api, f *ast.FuncDecl) {
	if !f.Name.IsExported() {
		return
	}
	signature := n.params(f.Type.TypeParams) + strings.TrimPrefix(n.expr(f.Type), "func")
	if f.Recv == nil || len(f.Recv.List) != 1 {
		a["func "+f.Name.Name] = signature
		return
	}
	receiver, pointer := f.Recv.List[0].Type, ""
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver, pointer = star.X, "on a pointer "
	}
	switch generic := receiver.(type) { // T[K] and T[K, V] are methods of T
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	if of, ok := receiver.(*ast.Ident); ok && of.IsExported() {
		a["method "+of.Name+"."+f.Name.Name] = pointer + signature
	}
}

func (n normaliser) typeSpec(s *ast.TypeSpec) string {
	equals := ""
	if s.Assign.IsValid() {
		equals = "= "
	}
	return n.params(s.TypeParams) + equals + n.expr(s.Type)
}

// params writes type parameters, whose names count: the signature speaks of them.
func (n normaliser) params(list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var all []string
	for _, field := range list.List {
		for _, name := range field.Names {
			all = append(all, name.Name+" "+n.expr(field.Type))
		}
	}
	return "[" + strings.Join(all, ", ") + "] "
}

// expr writes a type in one line.
func (n normaliser) expr(e ast.Expr) string {
	if e == nil {
		return ""
	}
	ast.Inspect(e, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncType:
			nameless(node.Params)
			nameless(node.Results)
		case *ast.StructType:
			node.Fields.List = slices.DeleteFunc(node.Fields.List, hidden)
		case *ast.SelectorExpr:
			if of, ok := node.X.(*ast.Ident); ok && n.imports[of.Name] != "" {
				node.X = ast.NewIdent(n.imports[of.Name])
			}
		}
		return true
	})
	return types.ExprString(e)
}

// nameless takes the names of parameters away: (a, b int) is (int, int).
func nameless(list *ast.FieldList) {
	if list == nil {
		return
	}
	var fields []*ast.Field
	for _, field := range list.List {
		for range max(len(field.Names), 1) {
			fields = append(fields, &ast.Field{Type: field.Type})
		}
	}
	list.List = fields
}

// hidden takes the fields that are not exported away, and reports whether none is left.
func hidden(field *ast.Field) bool {
	if len(field.Names) == 0 {
		return false // embedded: it may bring methods
	}
	field.Names = slices.DeleteFunc(field.Names, func(name *ast.Ident) bool { return !name.IsExported() })
	return len(field.Names) == 0
}

// differences tells in which way the API of a solution is not that of its lab.
func differences(folder, solution api) []string {
	var problems []string
	for _, name := range sortedKeys(folder, solution) {
		ours, there := folder[name]
		theirs, finished := solution[name]
		switch {
		case !finished:
			problems = append(problems, fmt.Sprintf("%s: in the lab, and not in the solution", name))
		case !there:
			problems = append(problems, fmt.Sprintf("%s: in the solution, and not in the lab", name))
		case ours != theirs:
			problems = append(problems, fmt.Sprintf("%s: %q in the lab, %q in the solution", name, ours, theirs))
		}
	}
	return problems
}

func sortedKeys(maps ...api) []string {
	var keys []string
	for _, m := range maps {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
