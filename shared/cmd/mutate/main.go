// Command mutate makes mutants of a solution that gremlins does not make, and runs the checks of its
// lab that need no server: mutate -o FILE FOLDER. A mutant lacks a statement, a branch (such as an
// error check) or a "not", or has a number that is off by one. In the conditions of cases, which gremlins
// does not reach, it also swaps operators.
//
// It changes only code that the checks reach. A run of the checks is bounded by the time that they take
// without a mutant, so the whole run is bounded by the number of mutants. The report has the form of gremlins' report, so that
// command survivors reads both. A mutant is killed when a check is "not yet", and its run ends then. A
// check that blames the machine for the mutant has not noticed it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// timeoutFactor and leastTimeout bound the run of a mutant, by the time of the run without one.
	timeoutFactor = 5
	leastTimeout  = 20 * time.Second
)

func main() {
	report := flag.String("o", "", "write the report to `FILE`")
	only := flag.String("only", "", "run only mutants whose place and kind begin with `PREFIX`, such as \"checkout.go:27:2 SKIP\"")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *report, *only, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutation and fileReport are parts of the report.
type mutation struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Kind   string `json:"type"`
	Status string `json:"status"`
}

type fileReport struct {
	Name      string     `json:"file_name"`
	Mutations []mutation `json:"mutations"`
}

func run(ctx context.Context, out io.Writer, path, only string, folders []string) (err error) {
	if path == "" || len(folders) != 1 {
		return errors.New("want -o FILE and one FOLDER")
	}
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	r := &runner{folder: filepath.ToSlash(filepath.Clean(folders[0])), scratch: scratch, timeout: leastTimeout}
	files := []fileReport{}
	reached, err := r.baseline(ctx)
	switch {
	case errors.Is(err, errNoChecks):
		_, err = fmt.Fprintf(out, "%s: %v\n", r.folder, err)
	case err == nil:
		files, err = r.mutate(ctx, out, reached, only)
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string][]fileReport{"files": files})
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// mutate runs all mutants and prints a line for each.
func (r *runner) mutate(ctx context.Context, out io.Writer, reached map[string][]block, only string) ([]fileReport, error) {
	names, err := filepath.Glob(filepath.Join(r.folder, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	var all, runs []*trial // those that the checks reach are run
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read source: %w", err)
		}
		mutants, err := mutantsOf(name, source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, m := range mutants {
			if !strings.HasPrefix(filepath.Base(name)+":"+m.String(), only) {
				continue
			}
			t := &trial{file: name, source: source, mutant: m}
			all = append(all, t)
			if slices.ContainsFunc(reached[filepath.Base(name)], func(b block) bool { return b.holds(m.coverLine, m.coverCol) }) {
				runs = append(runs, t)
			}
		}
	}
	if err := r.build(ctx, runs); err != nil {
		return nil, err
	}
	files := []fileReport{}
	counts := make(map[string]int)
	for _, t := range all {
		status := notCovered
		if slices.Contains(runs, t) {
			if status, err = r.try(ctx, t); err != nil {
				return nil, fmt.Errorf("%s:%v: %w", t.file, t.mutant, err)
			}
		}
		counts[status]++
		name := filepath.Base(t.file)
		if _, err := fmt.Fprintf(out, "%12s %s at %s:%d:%d\n", status, t.kind, name, t.line, t.col); err != nil {
			return nil, err
		}
		if len(files) == 0 || files[len(files)-1].Name != name {
			files = append(files, fileReport{Name: name})
		}
		last := &files[len(files)-1]
		last.Mutations = append(last.Mutations, mutation{t.line, t.col, t.kind, status})
	}
	_, err = fmt.Fprintf(out, "Killed: %d, Lived: %d, Not covered: %d, Timed out: %d, Not viable: %d\n",
		counts[killed], counts[lived], counts[notCovered], counts[timedOut], counts[notViable])
	return files, err
}
