//go:build unfinished

package horizontal_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/stage"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// browser starts a headless browser with one tab, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
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
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses root, as in containers
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// open starts replicas behind the finished nginx.conf.
func open(t *testing.T) *stage.Fleet {
	t.Helper()
	bed := testbed.ForTest(t)
	size := dataset.Small()
	database, err := bed.Postgres(t.Context(), testbed.PostgresOptions{Dataset: &size})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := bed.MailSink(t.Context(), testbed.MailSinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := stage.StartFleet(t.Context(), bed, stage.FleetOptions{
		Service: testbed.ServiceOptions{
			Package: "./solutions/service", Args: []string{"--through", "02"}, Postgres: database, MailSink: mail,
			Env: map[string]string{
				"BYTEBITES_DEMO_EMAIL": dataset.Email(1), "BYTEBITES_DEMO_PASSWORD": dataset.Password, "GOMAXPROCS": "1",
			},
		},
		Replicas: replicas, Nginx: horizontal.NginxConf(), Dataset: size, People: 2,
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

// Somebody signs in once, reloads the page, and is served by another replica each time or
// so, still signed in, also when one of them dies.
func TestBrowserMeetsAllReplicas(t *testing.T) {
	tab := browser(t)
	fleet := open(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, steps...); err != nil {
			t.Fatalf("browser: %v", err)
		}
	}
	text := func(selector string) string {
		t.Helper()
		said, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS(selector)))
		if err != nil {
			t.Fatalf("text of %s: %v", selector, err)
		}
		return said
	}
	// look waits for a page that is all there, of somebody who is signed in.
	look := func() string {
		t.Helper()
		do(chromedp.WaitVisible(chromedp.CSS("#meals article")), chromedp.WaitVisible(chromedp.CSS("#days .day")))
		if account := text("#account"); !strings.HasPrefix(account, "Sign out") {
			t.Fatalf("no longer signed in: the page offers %q", account)
		}
		return text("#instance")
	}

	do(chromedp.Navigate(fleet.Nginx.URL()), chromedp.WaitVisible(chromedp.CSS("#meals article")))
	do(chromedp.Click(chromedp.CSS("#account")), chromedp.WaitVisible(chromedp.CSS("#sign-in-form")))
	do(chromedp.Click(chromedp.CSS("#sign-in-form [type=submit]")))

	const reloads = 20
	met, changes, last := make(map[string]int), 0, look()
	for range reloads {
		do(chromedp.Reload())
		instance := look()
		met[instance]++
		if instance != last {
			changes++
		}
		last = instance
	}
	t.Logf("%d reloads were answered by %v, another than before %d times", reloads, met, changes)
	if len(met) != replicas || changes < reloads/4 {
		t.Errorf("%d reloads were answered by %v, another than before %d times; want all %d, and a change every fourth time or more",
			reloads, met, changes, replicas)
	}

	if err := fleet.Replicas[0].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(chromedp.Reload())
	if instance := look(); instance == fleet.Replicas[0].Name() {
		t.Errorf("answered by %s, which is dead", instance)
	}
}
