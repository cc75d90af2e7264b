package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/compare"
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
	sideA, sideB := report.Side{File: fileA, Note: inA.words()}, report.Side{File: fileB, Note: inB.words()}
	var text string
	var p page.Page
	switch s := a.sheet(a.out); {
	case inA.kind() != inB.kind():
		return usagef("compare %s with %s: the first is %s, and the second is %s; name two of one kind", fileA, fileB, inA.kind(), inB.kind())
	case inA.tour != nil:
		c := compare.Tours(*inA.tour, *inB.tour)
		text, p = s.TourComparison(sideA, sideB, c), report.TourComparisonPage(sideA, sideB, c)
	default:
		c := compare.Of(inA.Result, inB.Result)
		if onA, onB := inA.below(), inB.below(); onA != onB {
			c.Warnings = append(c.Warnings, fmt.Sprintf("The code of the labs below differs. A ran on %s, B on %s.", onA, onB))
		}
		text, p = s.Comparison(sideA, sideB, c), report.ComparisonPage(sideA, sideB, c)
	}
	a.printf("%s", text)
	if !html {
		a.next(fmt.Sprintf("go tool workshop report --compare --html %s %s   (as a page, with pictures)", fileA, fileB))
		return nil
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	path := w.path(stateDir, comparePage)
	if err := page.Save(path, p); err != nil {
		return err
	}
	a.printf("\nPage of this comparison: %s\n", path)
	a.show(path)
	a.next("go tool workshop list")
	return nil
}

// resultFile is a file that can be compared: a result of check, or a tour.
type resultFile struct {
	kept
	tour *compare.Tour // nil for a result of check
}

// kind names what the file holds.
func (f resultFile) kind() string {
	if f.tour != nil {
		return "a tour"
	}
	return "a result of check"
}

// readResultFile reads a result that `check` kept or that `check --json` printed, or the numbers of a tour.
// Files of older versions lack fields, which are then zero. The error has one line.
func readResultFile(path string) (resultFile, error) {
	var none resultFile
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, fmt.Errorf("read %s: there is no such file", path)
	case err != nil:
		return none, fmt.Errorf("read result: %w", err)
	case info.IsDir():
		return none, fmt.Errorf("read %s: it is a folder; name its result.json", path)
	case info.Size() > maxResultFile:
		return none, fmt.Errorf("read %s: %d bytes are too many for a result", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return none, fmt.Errorf("read result: %w", err)
	}
	var sniffed struct {
		Lab  *string         `json:"lab"`
		Rows json.RawMessage `json:"rows"` // of a tour
	}
	if err := json.Unmarshal(text, &sniffed); err != nil {
		return none, fmt.Errorf("read %s: it is no result of check and no tour: %s", path, oneLine(err))
	}
	if sniffed.Lab == nil && sniffed.Rows != nil {
		var t compare.Tour
		if err := json.Unmarshal(text, &t); err != nil {
			return none, fmt.Errorf("read %s: it is no tour: %s", path, oneLine(err))
		}
		if err := t.Validate(); err != nil {
			return none, fmt.Errorf("read %s: it is no tour that can be compared: %w", path, err)
		}
		return resultFile{kept: kept{origin: origin{Made: t.Began}}, tour: &t}, nil
	}
	k, err := parseKept(text)
	if err != nil {
		return none, fmt.Errorf("read %s: it is no result of check and no tour: %w", path, err)
	}
	return resultFile{kept: k}, nil
}
