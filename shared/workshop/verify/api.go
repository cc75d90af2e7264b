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

// api maps each exported declaration of a package to its signature. A key is kind and name,
// such as "func Apply" or "method T.Close". A signature writes packages as import paths. It
// does not contain names of parameters, comments and values.
type api map[string]string

// exported reads the API of the package in a folder, without its tests. An import from the
// folder "from" is read as one from the folder "to", so that the solution's own subpackages
// compare equal to the lab's.
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

// importsOf returns the import paths by the names that the file uses for them. Without a name
// in the import, it takes the last element of the path for the package's name.
func importsOf(file *ast.File, from, to string) map[string]string {
	imports := make(map[string]string)
	for _, i := range file.Imports {
		where, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue // does not happen: the parser has accepted the path
		}
		name := path.Base(where)
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = strings.Replace(where, "/"+from+"/", "/"+to+"/", 1)
	}
	return imports
}

// normaliser writes declarations in one form that does not depend on the names of imports.
type normaliser struct{ imports map[string]string }

func (n normaliser) declaration(a api, declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		n.function(a, d)
	case *ast.GenDecl:
		var carried ast.Expr // in a list of constants a type holds until the next type or value
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

// params writes type parameters with their names, because the signature uses them.
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

// expr writes a type in one line. It changes e.
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

// nameless removes the names of parameters: (a, b int) becomes (int, int).
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

// hidden removes the names of unexported fields, and reports whether no name is left.
func hidden(field *ast.Field) bool {
	if len(field.Names) == 0 {
		return false // an embedded type may add methods
	}
	field.Names = slices.DeleteFunc(field.Names, func(name *ast.Ident) bool { return !name.IsExported() })
	return len(field.Names) == 0
}

// differences returns one line for each declaration in which lab and solution differ.
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
