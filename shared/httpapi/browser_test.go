package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/httpapi"
	"bytebites.example/workshop/shared/httpapi/internal/fake"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// screenshotsEnv names a folder in which the browser test leaves pictures of the page.
const screenshotsEnv = "BYTEBITES_SCREENSHOTS"

// tab is a tab of a headless browser.
type tab struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // of the page's console
}

// newTab starts a browser, or skips the test where there is none.
func newTab(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("needs a browser: install chromium (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 900))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses root, as in containers
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	return p
}

func (p *tab) listen(event any) {
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

func (p *tab) console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaints)
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatalf("browser: %v; the console says %q", err, p.console())
	}
}

// click finds by a CSS selector, as all that follow do.
func (p *tab) click(selector string) {
	p.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

func (p *tab) see(selector string) {
	p.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (p *tab) text(selector string) string {
	p.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		p.Fatalf("text of %s: %v", selector, err)
	}
	return text
}

func (p *tab) set(selector, value string) {
	p.Helper()
	p.do(chromedp.SetValue(chromedp.CSS(selector), value))
}

func (p *tab) count(selector string) int {
	p.Helper()
	n, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", selector)))
	if err != nil {
		p.Fatalf("count %s: %v", selector, err)
	}
	return n
}

// until waits for an expression of JavaScript to be true.
func (p *tab) until(expression string) {
	p.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.Fatalf("wait for %s: %v; the console says %q", expression, err, p.console())
	}
}

// picture leaves a picture of the page, or of the window with its dialogs, when
// somebody wants to look.
func (p *tab) picture(name string, shot chromedp.Action[[]byte]) {
	p.Helper()
	folder := os.Getenv(screenshotsEnv)
	if folder == "" {
		return
	}
	p.do(chromedp.Sleep(400 * time.Millisecond)) // for movements to end
	png, err := chromedp.Run(p.ctx, shot)
	if err != nil {
		p.Fatalf("picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) page(name string)   { p.picture(name, chromedp.FullScreenshot(100)) }
func (p *tab) window(name string) { p.picture(name, chromedp.CaptureScreenshot()) }

func demo(c *httpapi.Config) { c.DemoEmail, c.DemoPassword = fake.Email(1), fake.Password }

func TestBrowserOrdersDinner(t *testing.T) {
	p := newTab(t)
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, demo))

	p.do(chromedp.Navigate(url))
	p.see("#meals article")
	p.see("#popular article")
	if n := p.count("#meals article"); n != 12 {
		t.Errorf("expected 12 meals, saw %d", n)
	}
	p.page("desktop-menu")

	p.set("#filters select[name=cuisine]", "thai")
	p.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("#filters").dispatchEvent(new Event("input"))`))
	p.until(`((tags) => tags.length > 1 && tags.every((tag) => tag.textContent === "thai"))([...document.querySelectorAll("#meals .tag.cuisine")])`)

	p.click("#meals li:nth-child(1) .buy button")
	p.click("#meals li:nth-child(2) .buy button")
	p.click("#open-cart")
	p.see("#lines li")
	p.click("#lines li:nth-child(1) .stepper button:last-child")
	total := p.text("#total")
	if count := p.text("#cart-count"); count != "3" {
		t.Errorf("expected 3 portions in the cart, saw %s", count)
	}
	p.window("desktop-cart")

	p.click("#order") // nobody is signed in: the page asks first, and then goes on
	p.see("#sign-in-form")
	p.window("desktop-sign-in")
	p.click("#sign-in-form [type=submit]")
	p.see("#confirmation")
	p.until(`document.querySelectorAll("#effects .done").length === 3`)
	if got := p.text("#order-total"); got != total {
		t.Errorf("the cart said %s, the order says %s", total, got)
	}
	p.window("desktop-confirmation")
	p.click("#confirmation [data-close]")

	p.see("#days .day")
	p.see("#history li[data-order]")
	if days, orders := p.count("#days .day"), p.count("#history li[data-order]"); days != 7 || orders != 1 {
		t.Errorf("expected 7 days and 1 order, saw %d and %d", days, orders)
	}
	if instance, account := p.text("#instance"), p.text("#account"); instance != "test-1" || !strings.HasPrefix(account, "Sign out") {
		t.Errorf("saw instance %q and account %q", instance, account)
	}
	p.page("desktop-signed-in")
	if got := world.OrderCount(); got != 1 {
		t.Errorf("expected 1 order in the store, saw %d", got)
	}
	if said := p.console(); len(said) > 0 {
		t.Errorf("the console says %q", said)
	}
}

func TestBrowserSaysWhatWentWrong(t *testing.T) {
	p := newTab(t)
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), demo))

	p.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile), chromedp.Navigate(url))
	p.see("#meals article")
	p.window("mobile-top")
	p.page("mobile-menu")
	wide, err := chromedp.Run(p.ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth"))
	if err != nil || wide > 390 {
		t.Errorf("a page of %d pixels on a phone of 390 (%v)", wide, err)
	}

	p.click("#account")
	p.see("#sign-in-form")
	p.set("#sign-in-form [name=password]", "wrong")
	p.click("#sign-in-form [type=submit]")
	p.see("#sign-in-form .error")
	if said := p.text("#sign-in-form .error"); !strings.Contains(said, "do not go together") {
		t.Errorf("a wrong password: the page says %q", said)
	}
	p.set("#sign-in-form [name=password]", fake.Password)
	p.click("#sign-in-form [type=submit]")
	p.do(chromedp.WaitNotVisible(chromedp.CSS("#sign-in-form")))

	status, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`fetch("/cart", {method: "PUT", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({lines: [{meal_id: "`+string(fake.Meal(meals))+`", quantity: 50}]})}).then((r) => r.status)`, chromedp.EvalAwaitPromise))
	if err != nil || status != http.StatusOK {
		t.Fatalf("filling the cart was answered %d (%v)", status, err)
	}
	p.do(chromedp.Reload())
	p.see("#days .day")
	p.click("#open-cart")
	p.see("#lines li")
	name := p.text("#lines .name")
	p.click("#order")
	p.see("#cart-error")
	if said := p.text("#cart-error"); !strings.Contains(said, "run low on "+name) {
		t.Errorf("%s is sold out: the page says %q", name, said)
	}
	p.window("mobile-sold-out")
}
