package progress

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Step is one piece of work in progress. Its methods do nothing on a nil Step.
type Step struct {
	reporter *Reporter
	name     string
	started  time.Time

	// Guarded by the reporter's lock:
	said     time.Time // last line about this step
	detail   string
	detailed time.Time
}

// Detail sets the current activity of the step, such as a tool's last line of output. The live line
// and the heartbeats show it.
func (s *Step) Detail(line string) {
	if s == nil {
		return
	}
	line = plain(line)
	if line == "" {
		return
	}
	s.reporter.mu.Lock()
	defer s.reporter.mu.Unlock()
	s.detail, s.detailed = line, time.Now()
}

// Done ends the step with success. Ending it again changes nothing.
func (s *Step) Done() {
	if s == nil {
		return
	}
	s.reporter.end(s, fmt.Sprintf("%s: done in %.1f s", s.name, time.Since(s.started).Seconds()))
}

// Fail ends the step with an error.
func (s *Step) Fail(err error) {
	if s == nil {
		return
	}
	s.reporter.end(s, fmt.Sprintf("%s: failed after %.1f s: %v", s.name, time.Since(s.started).Seconds(), err))
}

// End calls Done if err is nil, and Fail otherwise.
func (s *Step) End(err error) {
	if err != nil {
		s.Fail(err)
		return
	}
	s.Done()
}

// Writer returns a writer that sets the step's detail to each line written to it. It is for the
// output of tools, and for one goroutine.
func (s *Step) Writer() io.Writer { return &detailWriter{step: s} }

type detailWriter struct {
	step    *Step
	partial string
}

const maxPartial = 4096 // bytes of an unfinished line that are kept

func (w *detailWriter) Write(p []byte) (int, error) {
	// A tool's own progress bar ends its lines with a carriage return.
	text := strings.ReplaceAll(w.partial+string(p), "\r", "\n")
	last := strings.LastIndexByte(text, '\n')
	w.partial = text[last+1:]
	if len(w.partial) > maxPartial {
		w.partial = w.partial[len(w.partial)-maxPartial:]
	}
	if last >= 0 {
		lines := strings.Split(text[:last], "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			if plain(lines[i]) != "" {
				w.step.Detail(lines[i])
				break
			}
		}
	}
	return len(p), nil
}

// plain removes control characters that would move the cursor.
func plain(line string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line))
}
