package page

import (
	"fmt"
	"io"
)

// Render writes a page as HTML.
func Render(w io.Writer, p Page) error {
	_, err := fmt.Fprintf(w, "<!DOCTYPE html><title>%s</title>", p.Title)
	return err
}
