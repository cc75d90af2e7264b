package images

import (
	"strings"
	"sync"

	"bytebites.example/workshop/shared/progress"
)

// tail is a writer for a tool's output. It shows the latest line as a step's detail and keeps
// the last keptLines lines for an error.
type tail struct {
	step *progress.Step

	mu      sync.Mutex
	partial string
	lines   []string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(t.partial+string(p), "\n")
	t.partial = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if strings.TrimSpace(line) == "" {
			continue
		}
		t.step.Detail(line)
		t.lines = append(t.lines, line)
	}
	if n := len(t.lines); n > keptLines {
		t.lines = append([]string(nil), t.lines[n-keptLines:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(t.lines, "\n") + "\n" + t.partial)
}
