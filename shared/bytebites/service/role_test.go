package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/seed"
)

// TestMetricsOfARole checks that the metrics are served as long as the role runs.
func TestMetricsOfARole(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total", Help: "Test."})
	if err := metrics.Register(counter); err != nil {
		t.Fatal(err)
	}
	counter.Inc()
	addr := "127.0.0.1:" + port
	stop, err := serveMetrics(t.Context(), addr, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/metrics": "test_total 1", "/healthz": "ok", "/": "404"} {
		if text, err := (served{url: "http://" + addr + path}).get(t); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %.100q, %v; want %q in it", path, text, err, want)
		}
	}
	if _, err := serveMetrics(t.Context(), addr, metrics, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the address was taken twice")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if text, err := (served{url: "http://" + addr + "/metrics"}).get(t); err == nil {
		t.Errorf("still served after the end: %.100q", text)
	}
}

// TestPartsAreBuiltForPartsJobsOnly needs no server, because building the parts fails at once.
func TestPartsAreBuiltForPartsJobsOnly(t *testing.T) {
	broken := errors.New("no cache here")
	c := Baseline()
	c.Cache = func(Resources) (Cache, error) { return nil, broken }
	args, ran := []string{"a", "b"}, 0
	job := Job(func(_ context.Context, _ Resources, got []string) error {
		ran++
		if !slices.Equal(got, args) {
			t.Errorf("job got arguments %q, want %q", got, args)
		}
		return nil
	})
	if err := job.run(t.Context(), Resources{}, c, args); err != nil || ran != 1 {
		t.Errorf("job: %v, ran %d times; want once, without parts", err, ran)
	}
	partsJob := PartsJob(func(context.Context, Resources, Parts, []string) error {
		t.Error("a job with parts runs without them")
		return nil
	})
	if err := partsJob.run(t.Context(), Resources{}, c, args); !errors.Is(err, broken) {
		t.Errorf("job with parts: %v, want the error of the cache", err)
	}
}

// testRoles runs a role on real databases. It can use the open resources, gets its arguments, and
// finds the schema unchanged.
func testRoles(t *testing.T, config Config) {
	sorry, closed := errors.New("differences"), false
	c := Baseline()
	c.SchemaChanges = []SchemaChange{{Name: "not asked for", SQL: "CREATE TABLE parts_test_role (x int)"}}
	var got []string
	c.Roles["migrate"] = Job(func(ctx context.Context, r Resources, args []string) error {
		got = args
		r.OnClose(func() error { closed = true; return nil })
		var there bool
		err := r.UserData.QueryRowContext(ctx, "SELECT to_regclass('parts_test_role') IS NOT NULL").Scan(&there)
		if err != nil || there {
			t.Errorf("a schema change was made: %v, %v", there, err)
		}
		return sorry
	})
	c.UserData = func(Resources, bytebites.Catalogue) (UserData, error) {
		t.Error("parts were built for a job that needs none")
		return UserData{}, errors.New("not needed")
	}
	args := []string{"flipped", "--fast"}
	if err := RunRole(t.Context(), config, c, "migrate", args); !errors.Is(err, sorry) || !slices.Equal(got, args) || !closed {
		t.Errorf("got %v with arguments %q, closed %v", err, got, closed)
	}
	testPartsOfARole(t, config)
	ctx, stop := context.WithCancel(t.Context())
	c.Roles["migrate"] = Job(func(ctx context.Context, _ Resources, _ []string) error {
		stop()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := RunRole(ctx, config, c, "migrate", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: got %v", err)
	}
}

// testPartsOfARole does the API's work in a role: from the same parts, built once, and with its
// metrics served.
func testPartsOfARole(t *testing.T, config Config) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config.MetricsAddr = "127.0.0.1:" + port
	c := Baseline()
	built := 0
	open := c.UserData
	c.UserData = func(r Resources, catalogue bytebites.Catalogue) (UserData, error) {
		built++
		return open(r, catalogue)
	}
	c.Outbox = true
	c.Roles["work"] = PartsJob(func(ctx context.Context, r Resources, parts Parts, _ []string) error {
		if err := r.PrepareUserData(ctx, r.UserData); err != nil {
			return err
		}
		orders, err := parts.Orders.History(ctx, seed.User(1), bytebites.HistoryCursor{}, 1)
		if err != nil {
			return err
		}
		event := bytebites.Event{
			ID: outbox.NewID(bytebites.TopicRecommendationRequest, orders[0].ID), Topic: bytebites.TopicRecommendationRequest,
			User: orders[0].User, Order: orders[0].ID, At: orders[0].PlacedAt,
		}
		if err := parts.Steps.Tell(ctx, event.User, event); err != nil {
			return err
		}
		if backlog, err := outbox.New(r.UserData).Backlog(ctx); err != nil || backlog.Events != 1 {
			t.Errorf("backlog %+v, %v; want the event that was told", backlog, err)
		}
		if claimed, err := parts.Claims.Claim(ctx, event.User, event.Order, bytebites.EffectEmail, time.Minute); err != nil || !claimed {
			t.Errorf("claimed %v, %v", claimed, err)
		}
		if text := metricsOf(t, config.MetricsAddr); !strings.Contains(text, `bytebites_order_step_seconds_count{step="outbox"} 1`) {
			t.Error("the role's step is not in its metrics")
		}
		return nil
	})
	if err := RunRole(t.Context(), config, c, "work", nil); err != nil || built != 1 {
		t.Errorf("%v; user data was built %d times, want once", err, built)
	}
}
