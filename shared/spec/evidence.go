package spec

import (
	"fmt"
	"os"
	"path/filepath"

	"bytebites.example/workshop/shared/module"
)

// EvidenceFolder makes and returns the folder where a lab's run leaves what its learner
// reads: .workshop/NN-name in the module's root.
func EvidenceFolder(lab string) (string, error) {
	root, err := module.Root()
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	folder := filepath.Join(root, ".workshop", lab)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	return folder, nil
}
