package horizontal_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bytebites.example/workshop/shared/browsertest"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// answeredBy waits until the page of a signed-in subscriber is complete, and returns the
// instance that it names.
func answeredBy(t *testing.T, p *browsertest.Tab) string {
	t.Helper()
	p.See("#meals article")
	p.See("#days .day")
	if account := p.Text("#account"); !strings.HasPrefix(account, "Sign out") {
		t.Fatalf("no longer signed in: the page offers %q", account)
	}
	return p.Text("#instance")
}

// openFleet starts replicas behind the finished nginx.conf, with the demo form filled in.
func openFleet(t *testing.T) *rig.Fleet {
	t.Helper()
	bed := testbed.ForTest(t)
	size := seed.Small()
	service := testbed.ServiceOptions{
		Package: "./solutions/service", Args: []string{"--through", "02"},
		Env: map[string]string{"BYTEBITES_DEMO_EMAIL": seed.Email(1), "BYTEBITES_DEMO_PASSWORD": seed.Password},
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
	fleet, err := rig.StartFleet(t.Context(), bed, rig.FleetOptions{
		Service: service, Replicas: replicas, Nginx: horizontal.NginxConf(), Dataset: size, People: 1,
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

// A subscriber signs in once and reloads the page. Each replica answers in turn, and the
// subscriber stays signed in, also when a replica dies. The other replicas take the order.
func TestBrowserMeetsAllReplicas(t *testing.T) {
	p := browsertest.Open(t)
	fleet := openFleet(t)

	p.Do(chromedp.Navigate(fleet.Nginx.URL()))
	p.See("#meals article")
	p.Click("#account")
	p.See("#sign-in-form")
	p.Click("#sign-in-form [type=submit]")

	const reloads = 20
	met, changes, last := make(map[string]int), 0, answeredBy(t, p)
	for range reloads {
		p.Do(chromedp.Reload())
		instance := answeredBy(t, p)
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
	p.Page("signed-in")

	dead := fleet.Replicas[0]
	if err := dead.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.Do(chromedp.Reload())
		if instance := answeredBy(t, p); instance == dead.Name() {
			t.Errorf("answered by %s, which is dead", instance)
		}
	}
	p.Click("#meals li:nth-child(1) .buy button")
	p.Click("#open-cart")
	p.See("#lines li")
	p.Click("#order")
	p.See("#confirmation")
	p.Page("ordered")
}
