// Package evidence writes what a run leaves for a learner to read: files in the lab's
// folder of evidence, most of them tables.
package evidence

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"bytebites.example/workshop/shared/spec"
)

// Keep writes a file of a lab's evidence.
func Keep(lab, name string, text []byte) error {
	folder, err := spec.EvidenceFolder(lab)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	return nil
}

// Table returns a heading and below it what rows writes: cells that end in tabs, a line
// a row, aligned to the right.
func Table(head string, rows func(w io.Writer)) []byte {
	var text bytes.Buffer
	text.WriteString(head)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows(w)
	_ = w.Flush() // into memory, which does not fail
	return text.Bytes()
}
