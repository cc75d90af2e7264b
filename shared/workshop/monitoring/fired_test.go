package monitoring_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shard/preflight"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

const (
	alertmanagerFile = "shared/deploy/alertmanager.yml"
	// program is the service with all solutions.
	program = "./solutions/service"
	// firedFor replaces the time for which an expression must hold before its alert fires. The test
	// does not change the expressions.
	firedFor = "1s"
	// scrapedWithin bounds the wait for the first samples of all targets, and firedWithin the wait for
	// all alerts. The slowest is OutboxStuck: its expression wants an event that has waited for 15 s.
	scrapedWithin = 30 * time.Second
	firedWithin   = 60 * time.Second
	askEvery      = 500 * time.Millisecond
)

// fault is what happens to a lab's server, and the alert that must tell of it.
type fault struct {
	name, alert string
	strike      func(context.Context) error
}

// TestAlertsFire does to real servers what the labs do to them, and waits until the Alertmanager shows
// the alert of each fault. Before the faults none of these alerts may fire. All faults strike
// together, because each has an alert of its own: a test that waits for one after the other takes
// minutes.
func TestAlertsFire(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers")
	}
	// TestMain holds the core of the machine that testbed.ForTest would wait for.
	bed, err := testbed.Start(t.Context(), testbed.Options{Progress: progress.Stderr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
	})
	s := openStack(t, bed)
	s.await(t, "Prometheus has samples of all targets", scrapedWithin, s.scraped)
	s.use(t)
	faults := []fault{
		{"lab 02: a replica is killed", "ReplicaDown", s.replica.Kill},
		{"lab 03: Redis is paused", "ServerDown", s.redis.Pause},
		{"lab 04: a shard is down", "AnswersPartial", s.shard.Kill},
		{"lab 05: the broker is down while events come", "OutboxStuck", func(ctx context.Context) error {
			if err := s.broker.Kill(ctx); err != nil {
				return err
			}
			return s.addEvent(ctx)
		}},
	}
	for _, f := range faults {
		if firing := s.firing(t); slices.Contains(firing, f.alert) {
			t.Fatalf("before the faults these fire: %q", firing)
		}
	}
	for _, f := range faults {
		if err := f.strike(t.Context()); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	for _, f := range faults {
		s.await(t, f.name+": "+f.alert+" fires", firedWithin, func(t *testing.T) bool {
			s.use(t)
			return slices.Contains(s.firing(t), f.alert)
		})
	}
}

var forLine = regexp.MustCompile(`(?m)^( +for: ).*$`)

// hurried returns the alert rules with firedFor, and the same expressions.
func hurried(t *testing.T) string {
	t.Helper()
	rules := read(t, fromRoot(t, alertsFile))
	quick := forLine.ReplaceAllString(rules, "${1}"+firedFor)
	if quick == rules || forLine.ReplaceAllString(quick, "") != forLine.ReplaceAllString(rules, "") {
		t.Fatal("the hurried rules must differ in their times, and in nothing else")
	}
	return quick
}

// stack is a small site with the servers of labs 02 to 05, and its monitoring.
type stack struct {
	service, replica *testbed.Service
	redis            *testbed.Redis
	userData, shard  *testbed.Postgres
	broker           *testbed.RabbitMQ
	prometheus       *testbed.Prometheus
	alertmanager     *testbed.Alertmanager
}

func openStack(t *testing.T, bed *testbed.Bed) *stack {
	t.Helper()
	s := &stack{}
	var catalogue *testbed.Postgres
	var mail *testbed.MailSink
	start := func(starts ...func(context.Context) error) {
		t.Helper()
		if err := testbed.SideBySide(t.Context(), starts...); err != nil {
			t.Fatal(err)
		}
	}
	database := func(to **testbed.Postgres, name string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*to, err = bed.Postgres(ctx, testbed.PostgresOptions{Name: name})
			return err
		}
	}
	start(database(&catalogue, "postgres"), database(&s.userData, "userdata"), database(&s.shard, "shard-1"),
		func(ctx context.Context) (err error) {
			s.redis, err = bed.Redis(ctx, testbed.RedisOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			s.broker, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			mail, err = bed.MailSink(ctx, testbed.MailSinkOptions{})
			return err
		},
		func(ctx context.Context) error { _, err := bed.RedisExporter(ctx); return err },
		func(ctx context.Context) (err error) {
			s.alertmanager, err = bed.Alertmanager(ctx, read(t, fromRoot(t, alertmanagerFile)))
			return err
		},
		func(ctx context.Context) error { _, err := bed.Binary(ctx, program); return err },
	)
	options := testbed.ServiceOptions{
		Name: "service", Package: program, Args: []string{"--through", "05"}, Postgres: catalogue, UserData: s.userData,
		Shards: []*testbed.Postgres{s.shard}, MailSink: mail, Redis: s.redis,
	}
	start(func(ctx context.Context) (err error) { s.service, err = bed.Service(ctx, options); return err })
	s.move(t, bed, options)
	replica := options
	replica.Name, replica.Aliases = "replica-2", []string{"replicas"}
	relay := options
	relay.Broker = s.broker
	start(
		func(ctx context.Context) (err error) { s.replica, err = bed.Service(ctx, replica); return err },
		func(ctx context.Context) error {
			_, err := bed.Role(ctx, testbed.RoleOptions{Service: relay, Role: "relay"})
			return err
		},
		func(ctx context.Context) (err error) {
			s.prometheus, err = bed.Prometheus(ctx, read(t, fromRoot(t, scrapeFile)), hurried(t))
			return err
		},
	)
	return s
}

// move begins the move of lab 04, which prepares the servers. Nobody has signed up, so it then gives
// every second bucket to the shard at once. A service asks both servers for an answer about all
// subscribers from then on.
func (s *stack) move(t *testing.T, bed *testbed.Bed, service testbed.ServiceOptions) {
	t.Helper()
	name := instance.Small().Name
	service.Env = map[string]string{preflight.EnvType: name, preflight.EnvLargest: name}
	role, err := bed.Role(t.Context(), testbed.RoleOptions{Service: service, Name: "mover", Role: "migrate", Args: []string{shard.NewUsers.String()}})
	if err != nil {
		t.Fatal(err)
	}
	if code, log, err := role.Wait(t.Context()); err != nil || code != 0 {
		t.Fatalf("begin the move: code %d, %v\n%s", code, err, log)
	}
	var pools []*sql.DB
	for _, server := range []*testbed.Postgres{service.Postgres, service.UserData, service.Shards[0]} {
		pool, err := postgres.Open(t.Context(), server.URL(), postgres.PoolConfig{MaxOpen: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = pool.Close() }()
		pools = append(pools, pool)
	}
	mover, err := shard.NewMover(t.Context(), pools[0], pools[1:], slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mover.Close() }()
	err = mover.Switch(t.Context(), func(context.Context) error { return nil }, func(context.Context) (shard.Map, error) {
		next := mover.Map()
		for b := range next.Source {
			next.Source[b] = shard.Old + shard.Server(b%2)
		}
		next.Phase, next.Target = shard.Settled, next.Source
		return next, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// use asks for the popular meals, which are counted on all servers of user data.
func (s *stack) use(t *testing.T) {
	t.Helper()
	s.get(t, s.service.URL()+"/meals/popular", nil)
}

// addEvent adds an event to the outbox that the relay empties, as an order does.
func (s *stack) addEvent(ctx context.Context) error {
	db, err := postgres.Open(ctx, s.userData.URL(), postgres.PoolConfig{MaxOpen: 1})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return outbox.New(db).Add(ctx, "u1", bytebites.Event{
		ID: outbox.NewID(bytebites.TopicRecommendationRequest, "ord_1"), Topic: bytebites.TopicRecommendationRequest,
		User: "u1", Order: "ord_1", At: time.Now(),
	})
}

// get decodes the JSON of a successful answer into body, unless body is nil.
func (s *stack) get(t *testing.T, address string, body any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err != nil || closing != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %s, %v, %v: %.200s", address, response.Status, err, closing, text)
	}
	if body == nil {
		return
	}
	if err := json.Unmarshal(text, body); err != nil {
		t.Fatalf("get %s: %v: %.200s", address, err, text)
	}
}

// scraped reports whether Prometheus has what the alerts of the faults rest on.
func (s *stack) scraped(t *testing.T) bool {
	t.Helper()
	for query, want := range map[string]string{
		`max_over_time(job:up:count{job="service"}[5m])`: "2", `max_over_time(job:up:count{job="redis"}[5m])`: "1",
		`count(bytebites_partial_answers_total{job="service"})`: "2", `count(bytebites_outbox_oldest_seconds)`: "2",
	} {
		var answer struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		s.get(t, s.prometheus.URL()+"/api/v1/query?query="+url.QueryEscape(query), &answer)
		if len(answer.Data.Result) != 1 || fmt.Sprint(answer.Data.Result[0].Value[1]) != want {
			return false
		}
	}
	return true
}

// firing returns the names of the alerts that the Alertmanager shows.
func (s *stack) firing(t *testing.T) (names []string) {
	t.Helper()
	var alerts []struct{ Labels map[string]string }
	s.get(t, s.alertmanager.URL()+"/api/v2/alerts", &alerts)
	for _, alert := range alerts {
		names = append(names, alert.Labels["alertname"])
	}
	return names
}

// await fails the test unless something comes to be within a time, longer on a slow machine.
func (s *stack) await(t *testing.T, what string, within time.Duration, so func(*testing.T) bool) {
	t.Helper()
	for deadline := time.Now().Add(hostspeed.Wait(within)); !so(t); time.Sleep(askEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s; firing: %s", within, what, strings.Join(s.firing(t), ", "))
		}
	}
}
