// Package browsertest drives a page in a headless browser in tests. It acts as a person would: on
// elements that the page shows. Tests are skipped if no browser is installed.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// ScreenshotsEnv names a folder in which tests store screenshots of the pages.
	ScreenshotsEnv = "BYTEBITES_SCREENSHOTS"
	// stepTimeout bounds each step.
	stepTimeout = 20 * time.Second
	// animationPause is how long animations take to end.
	animationPause = 400 * time.Millisecond
)

// Tab is a tab of a headless browser. Elements are found by CSS selectors. The test fails if an
// element is not found within stepTimeout.
type Tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // console messages and exceptions of the page
}

// Open starts a browser that ends with the test. It skips the test if no browser is installed, and
// under -short.
func Open(t *testing.T) *Tab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(find(t)), chromedp.WindowSize(1280, 900))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses root, as in containers
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &Tab{t: t, ctx: ctx}
	// Start the browser now: it lives as long as the context of its first step.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatalf("listen to the browser: %v", err)
	}
	return p
}

func find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs a browser: install chromium (apt-get install chromium)")
	return ""
}

func (p *Tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		for _, argument := range e.Args {
			p.complaints = append(p.complaints, string(argument.Value))
		}
	}
}

// Console returns the messages that the page has written to its console, and its uncaught
// exceptions.
func (p *Tab) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaints)
}

// Do runs some steps.
func (p *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v; the console says %q", err, p.Console())
	}
}

// run runs a step with a result. what names the step in an error.
func run[T any](p *Tab, what string, step chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, step)
	if err != nil {
		p.t.Fatalf("%s: %v; the console says %q", what, err, p.Console())
	}
	return value
}

// Evaluate returns the value of a JavaScript expression.
func Evaluate[T any](p *Tab, expression string, options ...chromedp.EvaluateOption) T {
	p.t.Helper()
	return run(p, "evaluate "+expression, chromedp.Evaluate[T](expression, options...))
}

// Click clicks an element.
func (p *Tab) Click(selector string) {
	p.t.Helper()
	p.Do(chromedp.Click(chromedp.CSS(selector)))
}

// See waits until an element is visible.
func (p *Tab) See(selector string) {
	p.t.Helper()
	p.Do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Text returns an element's text.
func (p *Tab) Text(selector string) string {
	p.t.Helper()
	return run(p, "text of "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// Set sets the value of a field.
func (p *Tab) Set(selector, value string) {
	p.t.Helper()
	p.Do(chromedp.SetValue(chromedp.CSS(selector), value))
}

// Count returns the number of elements.
func (p *Tab) Count(selector string) int {
	p.t.Helper()
	return Evaluate[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// Until waits for a JavaScript expression to be true.
func (p *Tab) Until(expression string) {
	p.t.Helper()
	run(p, "wait for "+expression, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(stepTimeout)))
}

// Page stores a screenshot of the whole page if ScreenshotsEnv is set.
func (p *Tab) Page(name string) {
	p.t.Helper()
	p.picture(name, chromedp.FullScreenshot(100))
}

// Window stores a screenshot of the visible part of the page, with its dialogs, if ScreenshotsEnv
// is set.
func (p *Tab) Window(name string) {
	p.t.Helper()
	p.picture(name, chromedp.CaptureScreenshot())
}

func (p *Tab) picture(name string, shot chromedp.Action[[]byte]) {
	p.t.Helper()
	folder := os.Getenv(ScreenshotsEnv)
	if folder == "" {
		return
	}
	p.Do(chromedp.Sleep(animationPause))
	png := run(p, "picture", shot)
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
