package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// EvidenceFolder makes and returns the folder where a lab's run leaves what its learner
// reads: .workshop/NN-name in the module's root, which is found by its go.mod at or
// above the working directory.
func EvidenceFolder(lab string) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("evidence: %w", err)
		}
		parent := filepath.Dir(root)
		if parent == root {
			return "", errors.New("evidence: not inside the workshop: no go.mod here or above")
		}
		root = parent
	}
	folder := filepath.Join(root, ".workshop", lab)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	return folder, nil
}
