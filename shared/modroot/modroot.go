// Package modroot finds the workshop's source tree.
package modroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root returns the folder of the go.mod at or above the working directory. The working directory of
// a test is its package's folder.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, os.ErrNotExist):
			return "", fmt.Errorf("find the module: %w", err)
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("find the module: no go.mod in %s or above", start)
		}
	}
}
