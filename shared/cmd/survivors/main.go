// Command survivors compares the mutants that survived a run of gremlins or of command mutate with
// those that docs/trust.md lists. Its arguments are the reports of these, each as FOLDER=FILE with
// the folder that was mutated. A folder may have several reports. It ends with 1 when a mutant survived that is not listed, or when
// a listed one did not survive.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/markdown"
)

const (
	page    = "docs/trust.md"
	section = "Mutants that survive"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "survivors:", err)
		os.Exit(1)
	}
}

// mutant is a change of one line. Two changes of a kind in equal lines of one function are one mutant:
// a line number would change with every edit above it.
type mutant struct {
	file     string // from the module's root
	function string // such as Add or Type.Method; outside of functions "package"
	kind     string // the name in the report, such as CONDITIONALS_BOUNDARY
	line     string // the text of the source line, without indentation
}

func (m mutant) String() string {
	return fmt.Sprintf("| `%s` | `%s` | %s | `%s` |", m.file, m.function, m.kind, strings.ReplaceAll(m.line, "|", `\|`))
}

func run(out io.Writer, reports []string) error {
	if len(reports) == 0 {
		return errors.New("want reports, as FOLDER=FILE")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	var lived, listed []mutant
	var folders []string
	for _, report := range reports {
		folder, file, found := strings.Cut(report, "=")
		if !found {
			return fmt.Errorf("report %q: want FOLDER=FILE", report)
		}
		more, err := livedIn(folder, file)
		if err != nil {
			return err
		}
		lived = append(lived, more...)
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
			listed = append(listed, listedIn(string(text), folder)...)
		}
	}
	return compare(out, lived, listed)
}

// compare prints the differences as rows of the page's table.
func compare(out io.Writer, lived, listed []mutant) error {
	missing := without(lived, listed)
	gone := without(listed, lived)
	_, err := fmt.Fprintf(out, "%d mutants survived, %d are listed\n", len(without(lived, nil)), len(listed))
	tell := func(heading string, mutants []mutant) {
		if len(mutants) == 0 {
			return
		}
		_, headErr := fmt.Fprintf(out, "\n%s:\n", heading)
		err = errors.Join(err, headErr)
		for _, m := range mutants {
			_, rowErr := fmt.Fprintln(out, m)
			err = errors.Join(err, rowErr)
		}
	}
	tell("survived and not listed: write a check, or add a row with the reason to "+page, missing)
	tell("listed and did not survive: remove the row", gone)
	if err == nil && len(missing)+len(gone) > 0 {
		err = fmt.Errorf("%s is not up to date", page)
	}
	return err
}

// without returns the mutants of a that are not in b, each once.
func without(a, b []mutant) []mutant {
	var rest []mutant
	for _, m := range a {
		if !slices.Contains(b, m) && !slices.Contains(rest, m) {
			rest = append(rest, m)
		}
	}
	return rest
}

// row is a row of the table: file, function, mutation, line, reason.
var row = regexp.MustCompile("^\\| `([^`]+)` \\| `([^`]+)` \\| ([A-Z_]+) \\| `(.*)` \\| .+ \\|$")

// listedIn returns the mutants that the page lists for files of a folder.
func listedIn(text, folder string) []mutant {
	var listed []mutant
	for _, s := range markdown.Sections(text) {
		if s.Title != section {
			continue
		}
		for line := range strings.Lines(s.Text) {
			if cells := row.FindStringSubmatch(strings.TrimSpace(line)); cells != nil && strings.HasPrefix(cells[1], folder+"/") {
				listed = append(listed, mutant{cells[1], cells[2], cells[3], strings.ReplaceAll(cells[4], `\|`, "|")})
			}
		}
	}
	return listed
}

// report is the part of a report that is read here.
type report struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []struct {
			Kind   string `json:"type"`
			Status string `json:"status"`
			Line   int    `json:"line"`
		} `json:"mutations"`
	} `json:"files"`
}

func livedIn(folder, file string) ([]mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read report %s: %w", file, err)
	}
	var lived []mutant
	for _, f := range r.Files {
		name := path.Join(folder, f.Name)
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read mutated file: %w", err)
		}
		functions, err := functionsOf(name, source)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(string(source), "\n")
		for _, m := range f.Mutations {
			if m.Status != "LIVED" {
				continue
			}
			if m.Line < 1 || m.Line > len(lines) {
				return nil, fmt.Errorf("report %s: %s has no line %d", file, name, m.Line)
			}
			lived = append(lived, mutant{name, functions(m.Line), m.Kind, strings.TrimSpace(lines[m.Line-1])})
		}
	}
	return lived, nil
}

// functionsOf returns what gives the name of the function that a line of a file belongs to.
func functionsOf(name string, source []byte) (of func(line int) string, err error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse mutated file: %w", err)
	}
	return func(line int) string {
		for _, declaration := range parsed.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || line < files.Position(function.Pos()).Line || line > files.Position(function.End()).Line {
				continue
			}
			if function.Recv == nil || len(function.Recv.List) == 0 {
				return function.Name.Name
			}
			return receiver(function.Recv.List[0].Type) + "." + function.Name.Name
		}
		return "package"
	}, nil
}

// receiver returns the name of a method's type.
func receiver(of ast.Expr) string {
	switch t := of.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	default:
		return "?"
	}
}
