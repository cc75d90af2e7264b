// Package progress shows long work to a person: a live line with elapsed seconds on a
// terminal, plain lines everywhere else.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

const (
	frameEvery     = 120 * time.Millisecond
	heartbeatEvery = 15 * time.Second
)

// Reporter shows steps. Several steps may be in progress at once. All methods are safe for
// concurrent use, and do nothing on a nil Reporter.
type Reporter struct {
	w         io.Writer
	live      bool
	width     func() int
	heartbeat time.Duration

	mu     sync.Mutex
	active []*Step
	frame  int
	drawn  bool          // a live line is on the screen
	stop   chan struct{} // ends the ticker; nil while no step is in progress
}

// Option changes how a Reporter shows steps.
type Option func(*Reporter)

// Heartbeat sets how often a step in progress prints a line if w is not a terminal. The default is
// 15 seconds.
func Heartbeat(every time.Duration) Option { return func(r *Reporter) { r.heartbeat = every } }

// Live turns the live line on, at a fixed width in columns, or off.
func Live(on bool, columns int) Option {
	return func(r *Reporter) { r.live, r.width = on, func() int { return columns } }
}

// New returns a Reporter that writes to w. It shows a live line if w is a terminal, NO_COLOR is not
// set and TERM is not "dumb".
func New(w io.Writer, options ...Option) *Reporter {
	r := &Reporter{w: w, heartbeat: heartbeatEvery, width: func() int { return 80 }}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		fd := int(f.Fd())
		r.live = term.IsTerminal(fd)
		r.width = func() int {
			columns, _, err := term.GetSize(fd)
			if err != nil || columns <= 0 {
				return 80
			}
			return columns
		}
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// Stderr returns a Reporter that writes to standard error.
func Stderr() *Reporter { return New(os.Stderr) }

// Note prints a permanent line.
func (r *Reporter) Note(format string, args ...any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printLocked(fmt.Sprintf(format, args...))
}

// Step starts a step. The caller must end it with Done or Fail.
func (r *Reporter) Step(format string, args ...any) *Step {
	if r == nil {
		return nil
	}
	s := &Step{reporter: r, name: fmt.Sprintf(format, args...), started: time.Now(), said: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = append(r.active, s)
	if !r.live {
		r.printLocked(s.name + " ...")
	}
	if r.stop == nil {
		r.stop = make(chan struct{})
		go r.tick(r.stop)
	}
	if r.live {
		r.drawLocked()
	}
	return s
}

func (r *Reporter) tick(stop chan struct{}) {
	every := r.heartbeat
	if r.live {
		every = frameEvery
	}
	// Tick more often than a heartbeat is due, so that it is at most a tenth late.
	ticker := time.NewTicker(max(every/10, frameEvery/2))
	if r.live {
		ticker.Reset(every)
	}
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			r.mu.Lock()
			select {
			case <-stop: // ended while this tick waited for the lock
				r.mu.Unlock()
				return
			default:
			}
			if r.live {
				r.frame++
				r.drawLocked()
			} else {
				r.heartbeatLocked(now)
			}
			r.mu.Unlock()
		}
	}
}

func (r *Reporter) heartbeatLocked(now time.Time) {
	for _, s := range r.active {
		if now.Sub(s.said) < r.heartbeat {
			continue
		}
		s.said = now
		line := fmt.Sprintf("%s ... %.0f s", s.name, now.Sub(s.started).Seconds())
		if s.detail != "" {
			line += ": " + s.detail
		}
		r.printLocked(line)
	}
}

// printLocked prints a line above the live line.
func (r *Reporter) printLocked(line string) {
	if r.drawn {
		r.drawn = false
		_, _ = io.WriteString(r.w, "\r\x1b[K")
	}
	// Ignore write errors: a progress line that cannot be written must not fail the work.
	_, _ = io.WriteString(r.w, line+"\n")
	if r.live && len(r.active) > 0 {
		r.drawLocked()
	}
}

func (r *Reporter) drawLocked() {
	if len(r.active) == 0 {
		return
	}
	frames := [...]string{"|", "/", "-", "\\"}
	parts := make([]string, 0, len(r.active))
	for _, s := range r.active {
		parts = append(parts, fmt.Sprintf("%s %.0f s", s.name, time.Since(s.started).Seconds()))
	}
	line := frames[r.frame%len(frames)] + " " + strings.Join(parts, ", ")
	if latest := r.latestDetailLocked(); latest != "" {
		line += ": " + latest
	}
	r.drawn = true
	_, _ = io.WriteString(r.w, "\r\x1b[K"+cut(line, r.width()-1))
}

func (r *Reporter) latestDetailLocked() string {
	var latest *Step
	for _, s := range r.active {
		if s.detail != "" && (latest == nil || s.detailed.After(latest.detailed)) {
			latest = s
		}
	}
	if latest == nil {
		return ""
	}
	return latest.detail
}

func (r *Reporter) end(s *Step, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range r.active {
		if a == s {
			r.active = append(r.active[:i], r.active[i+1:]...)
			if len(r.active) == 0 {
				close(r.stop)
				r.stop = nil
			}
			r.printLocked(line)
			return
		}
	}
}

// cut shortens a line to that many terminal cells. A wide character takes two cells, a combining
// character none. Without columns there is no limit.
func cut(line string, columns int) string {
	const tail = "..."
	switch {
	case columns <= 0:
		return line
	case columns <= len(tail):
		return ansi.Truncate(line, columns, "")
	}
	return ansi.Truncate(line, columns, tail)
}
