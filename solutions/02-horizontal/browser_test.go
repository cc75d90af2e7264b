package horizontal_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/stage"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// screenshotsEnv names a folder in which the test leaves pictures of the page.
const screenshotsEnv = "BYTEBITES_SCREENSHOTS"

// behindNginx is how many replicas there are.
const behindNginx = 3

// tab is a tab of a headless browser.
type tab struct {
	*testing.T
	ctx context.Context
}

// newTab starts a browser, or skips the test where there is none.
func newTab(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser and real servers")
	}
	path := ""
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
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	// Now, for the browser lives as long as the context of the first step.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	return &tab{T: t, ctx: ctx}
}

// stepTimeout bounds what a person would wait for.
const stepTimeout = 20 * time.Second

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("browser: %v", err)
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
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		p.Fatalf("text of %s: %v", selector, err)
	}
	return text
}

// picture leaves a picture of the whole page when somebody wants to look.
func (p *tab) picture(name string) {
	p.Helper()
	folder := os.Getenv(screenshotsEnv)
	if folder == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Fatalf("picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		p.Fatal(err)
	}
}

// answeredBy waits until the page of somebody who is signed in is all there, and returns
// the instance that it names.
func (p *tab) answeredBy() string {
	p.Helper()
	p.see("#meals article")
	p.see("#days .day")
	if account := p.text("#account"); !strings.HasPrefix(account, "Sign out") {
		p.Fatalf("no longer signed in: the page offers %q", account)
	}
	return p.text("#instance")
}

// openFleet starts replicas behind the finished nginx.conf, with the demo form filled in.
func openFleet(t *testing.T) *stage.Fleet {
	t.Helper()
	bed := testbed.ForTest(t)
	size := dataset.Small()
	service := testbed.ServiceOptions{
		Package: "./solutions/service", Args: []string{"--through", "02"},
		Env: map[string]string{"BYTEBITES_DEMO_EMAIL": dataset.Email(1), "BYTEBITES_DEMO_PASSWORD": dataset.Password},
	}
	err := testbed.SideBySide(t.Context(),
		func(ctx context.Context) (err error) {
			service.Postgres, err = bed.Postgres(ctx, testbed.PostgresOptions{Dataset: &size})
			return err
		},
		func(ctx context.Context) (err error) {
			service.MailSink, err = bed.MailSink(ctx, testbed.MailSinkOptions{})
			return err
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := stage.StartFleet(t.Context(), bed, stage.FleetOptions{
		Service: service, Replicas: behindNginx, Nginx: horizontal.NginxConf(), Dataset: size, People: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.StopAsking(); err != nil {
			t.Error(err)
		}
	})
	return fleet
}

// Somebody signs in once and reloads the page: now one replica answers and now another,
// and they stay signed in, also when a replica dies. The others take their order.
func TestBrowserMeetsAllReplicas(t *testing.T) {
	p := newTab(t)
	fleet := openFleet(t)

	p.do(chromedp.Navigate(fleet.Nginx.URL()))
	p.see("#meals article")
	p.click("#account")
	p.see("#sign-in-form")
	p.click("#sign-in-form [type=submit]")

	const reloads = 20
	met, changes, last := make(map[string]int), 0, p.answeredBy()
	for range reloads {
		p.do(chromedp.Reload())
		instance := p.answeredBy()
		met[instance]++
		if instance != last {
			changes++
		}
		last = instance
	}
	t.Logf("%d reloads were answered by %v, another than before %d times", reloads, met, changes)
	if len(met) != behindNginx || changes < reloads/4 {
		t.Errorf("%d reloads were answered by %v, another than before %d times; want all %d, and a change every fourth time or more",
			reloads, met, changes, behindNginx)
	}
	p.picture("signed-in")

	dead := fleet.Replicas[0]
	if err := dead.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.do(chromedp.Reload())
		if instance := p.answeredBy(); instance == dead.Name() {
			t.Errorf("answered by %s, which is dead", instance)
		}
	}
	p.click("#meals li:nth-child(1) .buy button")
	p.click("#open-cart")
	p.see("#lines li")
	p.click("#order")
	p.see("#confirmation")
	p.picture("ordered")
}
