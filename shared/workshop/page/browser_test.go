package page_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"bytebites.example/workshop/shared/browsertest"
	"bytebites.example/workshop/shared/workshop/page"
)

// smallestText is the least size of a picture's text on the screen, in CSS pixels.
const smallestText = 11

// prefer sets the reader's colour scheme.
func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// The page fits a telephone and a projector, in light and dark. BYTEBITES_SCREENSHOTS names a
// folder for pictures to look at.
func TestPageInABrowser(t *testing.T) {
	tab := browsertest.Open(t)
	path := filepath.Join(t.TempDir(), "page.html")
	if err := page.Save(path, sample()); err != nil {
		t.Fatal(err)
	}
	tab.Do(chromedp.Navigate("file://" + filepath.ToSlash(path)))
	tab.See("h1")
	if n := browsertest.Evaluate[int](tab, "performance.getEntriesByType('resource').length"); n != 0 {
		t.Errorf("the page loads %d other files", n)
	}
	for _, screen := range []struct {
		name          string
		width, height int64
		dark          bool
		shown, hidden string
	}{
		{"projector", 1280, 720, false, "svg.wide", "svg.narrow"},
		{"projector-dark", 1280, 720, true, "svg.wide", "svg.narrow"},
		{"telephone", 360, 740, false, "svg.narrow", "svg.wide"},
		{"telephone-dark", 360, 740, true, "svg.narrow", "svg.wide"},
		{"tablet", 768, 1024, false, "svg.wide", "svg.narrow"},
	} {
		t.Run(screen.name, func(t *testing.T) {
			scheme := "light"
			if screen.dark {
				scheme = "dark"
			}
			tab.Do(
				chromedp.EmulateViewport(screen.width, screen.height),
				prefer(scheme),
			)
			if wide := browsertest.Evaluate[int](tab, "document.documentElement.scrollWidth"); int64(wide) > screen.width {
				t.Errorf("the page is %d pixels wide", wide)
			}
			visible := func(selector string) int {
				return browsertest.Evaluate[int](tab, "[...document.querySelectorAll('.picture "+selector+"')].filter(e => e.checkVisibility()).length")
			}
			if n := visible(screen.shown); n == 0 || visible(screen.hidden) != 0 {
				t.Errorf("%s: %d are shown, and of %s %d", screen.shown, n, screen.hidden, visible(screen.hidden))
			}
			// The text of an SVG scales with it.
			size := browsertest.Evaluate[float64](tab, `Math.min(...[...document.querySelectorAll('.picture svg')].filter(e => e.checkVisibility())
				.map(e => e.getAttribute('font-size') * e.getBoundingClientRect().width / e.viewBox.baseVal.width))`)
			if size < smallestText {
				t.Errorf("the smallest text of a picture is %.1f pixels high, want %d", size, smallestText)
			}
			// Every text stays inside its picture, but for a hair.
			if cut := browsertest.Evaluate[[]string](tab, `[...document.querySelectorAll('.picture svg')].filter(e => e.checkVisibility()).flatMap(e => {
				const r = e.getBoundingClientRect(), out = t => { const b = t.getBoundingClientRect(); return b.left < r.left - 12 || b.right > r.right + 12 || b.top < r.top - 4 || b.bottom > r.bottom + 4 };
				return [...e.querySelectorAll('text')].filter(out).map(t => t.textContent) })`); len(cut) > 0 {
				t.Errorf("outside their pictures: %q", cut)
			}
			ground := browsertest.Evaluate[string](tab, "getComputedStyle(document.body).backgroundColor")
			if light := ground == "rgb(255, 255, 255)"; light == screen.dark {
				t.Errorf("with scheme %s the ground is %s", scheme, ground)
			}
			tab.Page(screen.name)
		})
	}
	if said := tab.Console(); len(said) > 0 {
		t.Errorf("the console says %q", said)
	}
}
