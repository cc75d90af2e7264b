// Package evidence writes the files that a run leaves for the learner to read. Most of them
// are tables.
package evidence

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"bytebites.example/workshop/shared/modroot"
)

// Folder makes the folder of a lab's evidence, .workshop/NN-name in the module's root, and
// returns its path.
func Folder(labName string) (string, error) {
	root, err := modroot.Root()
	if err != nil {
		return "", fmt.Errorf("find evidence folder: %w", err)
	}
	folder := filepath.Join(root, ".workshop", labName)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make evidence folder: %w", err)
	}
	return folder, nil
}

// Keep writes a file into the folder of a lab's evidence. It replaces a file of that name.
func Keep(labName, file string, text []byte) error {
	folder, err := Folder(labName)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, file), text, 0o644); err != nil {
		return fmt.Errorf("write evidence %s: %w", file, err)
	}
	return nil
}

// Table returns head, and below it the rows, aligned to the right. The function rows writes
// one line for each row, with a tab after each cell.
func Table(head string, rows func(w io.Writer)) []byte {
	var text bytes.Buffer
	text.WriteString(head)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows(w)
	_ = w.Flush() // a buffer never fails
	return text.Bytes()
}
