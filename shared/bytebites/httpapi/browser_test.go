package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bytebites.example/workshop/shared/browsertest"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
)

func demo(c *httpapi.Config) { c.DemoEmail, c.DemoPassword = fake.Email(1), fake.Password }

func TestBrowserOrdersDinner(t *testing.T) {
	p := browsertest.Open(t)
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, demo))

	p.Do(chromedp.Navigate(url))
	p.See("#meals article")
	p.See("#popular article")
	if n := p.Count("#meals article"); n != 12 {
		t.Errorf("expected 12 meals, saw %d", n)
	}
	p.Page("desktop-menu")
	if drawn := p.Count("#meals .plate .dish > *"); drawn < 12*3 {
		t.Errorf("12 meals are drawn with %d shapes", drawn)
	}
	if written := p.Count("svg text"); written > 0 {
		t.Errorf("%d drawings need a font", written)
	}
	if missing := browsertest.Evaluate[string](p, `[...dishes.map(([, name]) => name), ...Object.values(cuisineDishes)].filter((name) => !drawings[name]).join()`); missing != "" {
		t.Errorf("no drawing of %s", missing)
	}

	p.Set("#filters select[name=cuisine]", "thai")
	p.Do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("#filters").dispatchEvent(new Event("input"))`))
	p.Until(`((tags) => tags.length > 1 && tags.every((tag) => tag.textContent === "thai"))([...document.querySelectorAll("#meals .tag.cuisine")])`)

	p.Click("#meals li:nth-child(1) .buy button")
	p.Click("#meals li:nth-child(2) .buy button")
	p.Click("#open-cart")
	p.See("#lines li")
	p.Click("#lines li:nth-child(1) .stepper button:last-child")
	total := p.Text("#total")
	if count := p.Text("#cart-count"); count != "3" {
		t.Errorf("expected 3 portions in the cart, saw %s", count)
	}
	p.Window("desktop-cart")

	p.Click("#order") // without a session, the page asks for a sign-in first and then continues
	p.See("#sign-in-form")
	p.Window("desktop-sign-in")
	p.Click("#sign-in-form [type=submit]")
	p.See("#confirmation")
	p.Until(`document.querySelectorAll("#effects .done").length === 3`)
	if got := p.Text("#order-total"); got != total {
		t.Errorf("the cart said %s, the order says %s", total, got)
	}
	p.Window("desktop-confirmation")
	p.Click("#confirmation [data-close]")

	p.See("#days .day")
	p.See("#history li[data-order]")
	if days, orders := p.Count("#days .day"), p.Count("#history li[data-order]"); days != 7 || orders != 1 {
		t.Errorf("expected 7 days and 1 order, saw %d and %d", days, orders)
	}
	if instance, account := p.Text("#instance"), p.Text("#account"); instance != "test-1" || !strings.HasPrefix(account, "Sign out") {
		t.Errorf("saw instance %q and account %q", instance, account)
	}
	p.Page("desktop-signed-in")
	if got := world.OrderCount(); got != 1 {
		t.Errorf("expected 1 order in the store, saw %d", got)
	}
	if said := p.Console(); len(said) > 0 {
		t.Errorf("the console says %q", said)
	}
}

func TestBrowserSaysWhatWentWrong(t *testing.T) {
	p := browsertest.Open(t)
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), demo))

	p.Do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile), chromedp.Navigate(url))
	p.See("#meals article")
	p.Window("mobile-top")
	p.Page("mobile-menu")
	if wide := browsertest.Evaluate[int](p, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("a page of %d pixels on a phone of 390", wide)
	}

	p.Click("#account")
	p.See("#sign-in-form")
	p.Set("#sign-in-form [name=password]", "wrong")
	p.Click("#sign-in-form [type=submit]")
	p.See("#sign-in-form .error")
	if said := p.Text("#sign-in-form .error"); !strings.Contains(said, "do not go together") {
		t.Errorf("a wrong password: the page says %q", said)
	}
	p.Set("#sign-in-form [name=password]", fake.Password)
	p.Click("#sign-in-form [type=submit]")
	p.Do(chromedp.WaitNotVisible(chromedp.CSS("#sign-in-form")))

	status := browsertest.Evaluate[int](p, `fetch("/cart", {method: "PUT", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({lines: [{meal_id: "`+string(fake.Meal(meals))+`", quantity: 50}]})}).then((r) => r.status)`, chromedp.EvalAwaitPromise)
	if status != http.StatusOK {
		t.Fatalf("filling the cart was answered %d", status)
	}
	p.Do(chromedp.Reload())
	p.See("#days .day")
	p.Click("#open-cart")
	p.See("#lines li")
	name := p.Text("#lines .name")
	p.Click("#order")
	p.See("#cart-error")
	if said := p.Text("#cart-error"); !strings.Contains(said, "run low on "+name) {
		t.Errorf("%s is sold out: the page says %q", name, said)
	}
	p.Window("mobile-sold-out")
}
