package progress_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/progress"
)

// screen is a buffer that is safe for concurrent use.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func (s *screen) waitFor(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(s.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not on the screen:\n%s", text, s)
		}
	}
}

func TestPlainLines(t *testing.T) {
	var out screen
	r := progress.New(&out)
	first := r.Step("build %s", "postgres")
	second := r.Step("build redis")
	r.Note("one of %d notes", 2)
	first.Detail("Unpacking libpq5")
	second.Fail(errors.New("no mirror"))
	first.Done()
	first.Done() // ending it again changes nothing
	want := regexp.MustCompile(`^build postgres \.\.\.
build redis \.\.\.
one of 2 notes
build redis: failed after \d+\.\d s: no mirror
build postgres: done in \d+\.\d s
$`)
	if got := out.String(); !want.MatchString(got) {
		t.Errorf("the output is\n%s", got)
	}
}

func TestHeartbeatWithDetail(t *testing.T) {
	var out screen
	r := progress.New(&out, progress.Heartbeat(50*time.Millisecond))
	step := r.Step("build postgres")
	step.Detail("Unpacking libpq5")
	out.waitFor(t, "build postgres ... 0 s: Unpacking libpq5\n")
	step.Done()
	ended := out.String()
	time.Sleep(200 * time.Millisecond)
	if later := out.String(); later != ended {
		t.Errorf("an ended step still reports: %q", strings.TrimPrefix(later, ended))
	}
}

func TestNoEscapesWithoutTerminal(t *testing.T) {
	var out screen
	r := progress.New(&out, progress.Heartbeat(20*time.Millisecond))
	step := r.Step("build")
	step.Detail("\x1b[31mred\x1b[0m\r50%")
	out.waitFor(t, "50%")
	step.Done()
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("the output moves the cursor: %q", out.String())
	}
}

func TestLiveLine(t *testing.T) {
	var out screen
	r := progress.New(&out, progress.Live(true, 40))
	first := r.Step("build postgres")
	second := r.Step("build redis")
	first.Detail("a very long line of output that does not fit")
	out.waitFor(t, "build postgres 0 s, build redis 0 ...")
	first.Done()
	second.Done()
	frames := strings.Split(out.String(), "\r\x1b[K")
	for _, frame := range frames {
		line, _, _ := strings.Cut(frame, "\n")
		if strings.Contains(line, "done in") {
			continue
		}
		if len(line) > 39 {
			t.Errorf("a line of %d columns does not fit 40: %q", len(line), line)
		}
	}
	if got := out.String(); !strings.HasSuffix(got, "\n") || strings.Count(got, "\n") != 2 {
		t.Errorf("the two ends are not lines of their own: %q", got)
	}
}

// A wide character takes two cells of the terminal, so fewer of them fit.
func TestLiveLineOfWideCharacters(t *testing.T) {
	var out screen
	r := progress.New(&out, progress.Live(true, 20))
	step := r.Step("晩ご飯晩ご飯晩ご飯晩ご飯")
	out.waitFor(t, " 晩ご飯晩ご飯晩...") // with the spinner 19 cells
	step.Done()
}

func TestToolOutputBecomesDetail(t *testing.T) {
	var out screen
	r := progress.New(&out, progress.Heartbeat(20*time.Millisecond))
	step := r.Step("build")
	w := step.Writer()
	for _, part := range []string{"Get:1 adduser\nUnpac", "king libpq5\n\n", "Setting"} {
		if _, err := fmt.Fprint(w, part); err != nil {
			t.Fatal(err)
		}
	}
	out.waitFor(t, ": Unpacking libpq5\n")
	step.Done()
}

func TestNothingToReportTo(t *testing.T) {
	var r *progress.Reporter
	r.Note("unheard")
	step := r.Step("unseen")
	step.Detail("unread")
	if _, err := step.Writer().Write([]byte("unread\n")); err != nil {
		t.Error(err)
	}
	step.End(errors.New("ignored"))
}

func TestConcurrentSteps(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out screen
		r := progress.New(&out, progress.Live(live, 80), progress.Heartbeat(time.Millisecond))
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				step := r.Step("step %d", i)
				step.Detail("working")
				time.Sleep(time.Millisecond)
				step.Done()
			})
		}
		group.Wait()
		if got := strings.Count(out.String(), ": done in"); got != 20 {
			t.Errorf("live %v: %d of 20 steps ended", live, got)
		}
	}
}
