package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page"
)

// maxResultFile bounds what compare reads. A result with many charts has less than a megabyte.
const maxResultFile = 64 << 20

// comparePage is the page of the last comparison, in stateDir.
const comparePage = "compare.html"

func (a *app) runCompare(fileA, fileB string, html bool) error {
	inA, err := readResultFile(fileA)
	if err != nil {
		return usageError{err}
	}
	inB, err := readResultFile(fileB)
	if err != nil {
		return usageError{err}
	}
	c := compare.Of(inA.Result, inB.Result)
	sideA, sideB := report.Side{File: fileA, Note: inA.words()}, report.Side{File: fileB, Note: inB.words()}
	a.printf("%s", a.sheet(a.out).Comparison(sideA, sideB, c))
	if !html {
		a.next(fmt.Sprintf("go tool workshop report --compare --html %s %s   (as a page, with pictures)", fileA, fileB))
		return nil
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	path := w.path(stateDir, comparePage)
	if err := page.Save(path, report.ComparisonPage(sideA, sideB, c)); err != nil {
		return err
	}
	a.printf("\nPage of this comparison: %s\n", path)
	a.show(path)
	a.next("go tool workshop list")
	return nil
}

// readResultFile reads a result that `check` kept, or that `check --json` printed. Files of older
// versions lack fields, which are then zero. The error has one line.
func readResultFile(path string) (kept, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept{}, fmt.Errorf("read %s: there is no such file", path)
	case err != nil:
		return kept{}, fmt.Errorf("read result: %w", err)
	case info.IsDir():
		return kept{}, fmt.Errorf("read %s: it is a folder; name its result.json", path)
	case info.Size() > maxResultFile:
		return kept{}, fmt.Errorf("read %s: %d bytes are too many for a result", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return kept{}, fmt.Errorf("read result: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, fmt.Errorf("read %s: it is no result of check: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	verdicts := []lab.Verdict{lab.Pass, lab.NotYet, lab.Inconclusive, lab.Environment}
	if k.Lab == "" || !slices.Contains(verdicts, k.Verdict) {
		return kept{}, fmt.Errorf("read %s: it is no result of check: it names no lab or no verdict", path)
	}
	return k, nil
}
