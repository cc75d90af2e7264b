package cli

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

const (
	// compiling is what a build shows while the go command prints nothing.
	compiling = "the first build compiles every package, which takes minutes"
	// downloadShown is how long the name of a library is shown. The go command prints it when the
	// download begins, and nothing when it ends or when the compiler begins.
	downloadShown = 5 * time.Second
)

// goOutput shows what the go command does. It shows a line about a download only for a while, so that
// the line does not stand there while the compiler works.
type goOutput struct {
	show  func(string)
	shown time.Duration

	mu    sync.Mutex
	rest  []byte // of a line that has not ended
	timer *time.Timer
	// lines counts the lines shown, so that a timer that fires beside a newer line does not replace it.
	lines int
	ended bool
}

func newGoOutput(show func(string), shown time.Duration) *goOutput {
	return &goOutput{show: show, shown: shown}
}

// Write shows the last whole line.
func (o *goOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	end := bytes.LastIndexByte(o.rest, '\n')
	if end < 0 {
		return len(p), nil
	}
	lines := strings.Split(string(o.rest[:end]), "\n")
	o.rest = append([]byte(nil), o.rest[end+1:]...)
	line := lines[len(lines)-1]
	o.stop()
	o.show(line)
	o.lines++
	if shown := o.lines; strings.HasPrefix(line, "go: downloading ") {
		o.timer = time.AfterFunc(o.shown, func() { o.afterDownload(shown) })
	}
	return len(p), nil
}

// afterDownload replaces the line about a download, unless a newer line has.
func (o *goOutput) afterDownload(lines int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended && o.lines == lines {
		o.show(compiling)
	}
}

// end stops showing.
func (o *goOutput) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.stop()
}

func (o *goOutput) stop() {
	if o.timer != nil {
		o.timer.Stop()
	}
}
