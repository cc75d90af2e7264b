package cli

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// testOutput passes a verbose test's own lines on, and keeps what matters of everything
// it wrote for a run that leaves no result.
type testOutput struct {
	show func(line string)

	mu      sync.Mutex
	partial []byte
	lines   []string
	crashed bool
	logging bool // the last line was one of t.Log
}

const (
	keptLines = 40
	// maxPartial bounds an unfinished line that is kept, in bytes.
	maxPartial = 1 << 16
)

// logPlace is how testing marks a line of t.Log, "file.go:12: ".
var logPlace = regexp.MustCompile(`^\w+\.go:\d+: `)

func (o *testOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial = append(o.partial, p...)
	for {
		end := bytes.IndexByte(o.partial, '\n')
		if end < 0 {
			break
		}
		o.line(strings.TrimRight(string(o.partial[:end]), "\r"))
		o.partial = o.partial[end+1:]
	}
	if len(o.partial) > maxPartial {
		o.partial = o.partial[len(o.partial)-maxPartial:]
	}
	return len(p), nil
}

// line shows a line that the test wrote to t.Output, which testing indents. The lines of
// testing itself and of t.Log are not shown: they are for debugging the test.
func (o *testOutput) line(line string) {
	o.keep(line)
	text, indented := strings.CutPrefix(line, "    ")
	// Further lines of a t.Log are indented once more. Elsewhere such a line is a figure, aligned
	// to the right.
	further := o.logging && strings.HasPrefix(text, "    ")
	o.logging = further || logPlace.MatchString(text)
	if !o.crashed && indented && !o.logging && !strings.HasPrefix(strings.TrimLeft(text, " "), "---") {
		o.show(text)
	}
}

// keep keeps the last lines, or, of a program that crashes, the first ones of the
// trace: the goroutine that crashed comes first.
func (o *testOutput) keep(line string) {
	if !o.crashed && (strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:")) {
		o.crashed, o.lines = true, nil
	}
	switch {
	case len(o.lines) < keptLines:
		o.lines = append(o.lines, line)
	case !o.crashed:
		o.lines = append(o.lines[1:], line)
	}
}

// essence returns the kept lines.
func (o *testOutput) essence() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := append([]string(nil), o.lines...)
	if len(o.partial) > 0 && len(lines) < keptLines {
		lines = append(lines, string(o.partial))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
