package page

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Save writes a page to a file in one step: a browser sees the old page or the new one. It makes a
// missing folder.
func Save(path string, p Page) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save page: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".page-*")
	if err != nil {
		return fmt.Errorf("save page: %w", err)
	}
	err = Render(draft, p)
	if err = errors.Join(err, draft.Chmod(0o644), draft.Close()); err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save page: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}
