package monitoring_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shard/preflight"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	alertmanagerFile = "shared/deploy/alertmanager.yml"
	redisFile        = "solutions/03-cache/redis.conf"
	// program is the service with all solutions.
	program = "./solutions/service"
	// firedFor replaces the time for which an expression must hold before its alert fires. The test
	// does not change the expressions.
	firedFor = "1s"
	// scrapedWithin bounds the wait for the first samples of all targets, and firedWithin the wait for
	// the alerts of an act. The slowest is OutboxStuck: its expression wants an event that has waited for 15 s.
	scrapedWithin = 30 * time.Second
	firedWithin   = 60 * time.Second
	askEvery      = 500 * time.Millisecond
	// oldAge is the age above which BacklogOld wants the effects of a queue.
	oldAge = 30 * time.Second
	// mailDelay makes the worker need several scrapes for its backlog. One scrape shows no rate.
	mailDelay = time.Second
)

// The loads of the test, in requests a second.
const (
	// orderRate makes a backlog as large as BacklogGrows wants within seconds. The orders come until the alert fires:
	// a busy machine may refuse many, and scrape so seldom that a short rise is not seen.
	orderRate = 10
	// menuRate makes twice as many lookups as HitRatioLow wants. A lookup that misses asks all servers, so
	// more of them would hide that one shard is busier.
	menuRate = 10
	cartRate = 100 // many times the transactions of an idle shard, and ten times the pool of a service
)

// told is an alert that must fire, with labels that say what is broken.
type told struct {
	alert  string
	labels map[string]string
}

func (w told) String() string {
	if len(w.labels) == 0 {
		return w.alert
	}
	return fmt.Sprintf("%s %v", w.alert, w.labels)
}

// in reports whether the alert fires.
func (w told) in(firing []map[string]string) bool {
	return slices.ContainsFunc(firing, func(labels map[string]string) bool {
		for name, value := range w.labels {
			if labels[name] != value {
				return false
			}
		}
		return labels[alertName] == w.alert
	})
}

const alertName = "alertname"

// fault is what happens to a lab's servers, and the alerts that must tell of it.
type fault struct {
	name   string
	strike func(context.Context) error
	alerts []told
	fired  func() // called once or more when all its alerts have fired; may be nil
}

// acts returns the faults of labs 02 to 05. The faults of an act strike together, because each has
// alerts of its own: a test that waits for one after the other takes minutes.
func (s *stack) acts() [][]fault {
	jobDown := func(job string) told { return told{"ServerDown", map[string]string{"job": job}} }
	emails := map[string]string{"queue": string(bytebites.EffectEmail)}
	return [][]fault{{
		{"lab 02: a replica is killed", s.replica.Kill, []told{{"ReplicaDown", nil}}, nil},
		{"lab 03: Redis has no memory left while subscribers read meals", s.squeezeRedis,
			[]told{{"HitRatioLow", map[string]string{"instance": "redis"}}}, nil},
		{"lab 04: all busy subscribers are on one shard", s.crowdShard, []told{{"ShardSkew", nil}}, nil},
		{"lab 05: no worker runs while orders come", s.orderWithoutWorker, []told{jobDown("roles"), {"BacklogGrows", emails}}, s.endOrders},
	}, {
		{"lab 04: the shard hangs", s.shard.Pause,
			[]told{{"AnswersPartial", nil}, {"ErrorsHigh", nil}, {"LatencyHigh", nil}, {"PoolExhausted", map[string]string{"db_name": "shard1"}}}, nil},
	}, {
		{"lab 05: the worker comes back late", s.workLate, []told{{"BacklogOld", emails}}, nil},
	}, {
		{"lab 03: Redis hangs", s.redis.Pause, []told{jobDown("redis")}, nil},
		{"lab 05: the broker is down while events come", s.addEventWithoutBroker,
			[]told{jobDown("rabbitmq"), {"OutboxStuck", map[string]string{"server": "0"}}}, nil},
	}}
}

// TestDocsHaveTheFaults compares the table of the page with the faults of TestAlertsFire.
func TestDocsHaveTheFaults(t *testing.T) {
	server := &testbed.Server{}
	s := &stack{replica: &testbed.Service{Server: server}, redis: &testbed.Redis{Server: server}, shard: &testbed.Postgres{Server: server}}
	docs := read(t, fromRoot(t, docsPage))
	for _, f := range slices.Concat(s.acts()...) {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(f.name) + ` \| (.*) \|$`).FindStringSubmatch(docs)
		if row == nil {
			t.Errorf("%s has no row for %s", docsPage, f.name)
			continue
		}
		for _, w := range f.alerts {
			if !strings.Contains(row[1], "`"+w.alert+"`") {
				t.Errorf("%s does not say that %s follows from %s", docsPage, w.alert, f.name)
			}
		}
	}
}

// TestAlertsFire does to real servers what the labs do to them, and waits until the Alertmanager shows
// the alerts of each fault. Before the faults none of these alerts fires.
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
	t.Cleanup(s.endLoad)
	s.await(t, scrapedWithin, s.unscraped)
	acts := s.acts()
	s.await(t, firedWithin, func(t *testing.T) string {
		s.use(t)
		firing := s.firing(t)
		for _, f := range slices.Concat(acts...) {
			for _, w := range f.alerts {
				if w.in(firing) {
					return fmt.Sprintf("that %v is silent before the faults", w)
				}
			}
		}
		return ""
	})
	for _, faults := range acts {
		s.play(t, faults)
	}
}

// play lets faults strike, and waits until each of their alerts has fired.
func (s *stack) play(t *testing.T, faults []fault) {
	t.Helper()
	began := time.Now()
	for _, f := range faults {
		if err := f.strike(t.Context()); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	fired := make(map[string]bool)
	s.await(t, firedWithin, func(t *testing.T) string {
		s.use(t)
		firing := s.firing(t)
		var missing []string
		for _, f := range faults {
			before := len(missing)
			for _, w := range f.alerts {
				switch what := fmt.Sprintf("%s: %v", f.name, w); {
				case fired[what]:
				case w.in(firing):
					fired[what] = true
					t.Logf("%s after %v", what, time.Since(began).Round(time.Second))
				default:
					missing = append(missing, what)
				}
			}
			if len(missing) == before && f.fired != nil {
				f.fired()
			}
		}
		return strings.Join(missing, "; ")
	})
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
	worker           *testbed.Role
	redis            *testbed.Redis
	userData, shard  *testbed.Postgres
	broker           *testbed.RabbitMQ
	prometheus       *testbed.Prometheus
	alertmanager     *testbed.Alertmanager

	// onOld and onShard are subscribers who have signed in, by the server that has their data.
	onOld, onShard []load.Session
	loads          sync.WaitGroup
	loading        context.Context // ends with endLoad
	stopLoad       context.CancelFunc
	stopOrders     context.CancelFunc
	ordered        chan time.Time // receives the time of the last order
}

func openStack(t *testing.T, bed *testbed.Bed) *stack {
	t.Helper()
	s := &stack{ordered: make(chan time.Time, 1)}
	s.loading, s.stopLoad = context.WithCancel(t.Context())
	var catalogue, spare *testbed.Postgres
	var mail *testbed.MailSink
	start := func(starts ...func(context.Context) error) {
		t.Helper()
		if err := testbed.SideBySide(t.Context(), starts...); err != nil {
			t.Fatal(err)
		}
	}
	database := func(to **testbed.Postgres, o testbed.PostgresOptions) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			if *to, err = bed.Postgres(ctx, o); err != nil {
				return err
			}
			return addMonitorRole(ctx, *to)
		}
	}
	menu := seed.Early() // as in labs 04 to 06, so its image is there
	start(
		database(&catalogue, testbed.PostgresOptions{Name: "postgres", Dataset: &menu}),
		database(&s.userData, testbed.PostgresOptions{Name: "userdata"}),
		database(&s.shard, testbed.PostgresOptions{Name: "shard-1"}),
		database(&spare, testbed.PostgresOptions{Name: "shard-2"}),
		func(ctx context.Context) (err error) {
			s.redis, err = bed.Redis(ctx, testbed.RedisOptions{Conf: read(t, fromRoot(t, redisFile))})
			return err
		},
		func(ctx context.Context) (err error) {
			s.broker, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			mail, err = bed.MailSink(ctx, testbed.MailSinkOptions{Delay: mailDelay})
			return err
		},
		func(ctx context.Context) error { _, err := bed.RedisExporter(ctx); return err },
		func(ctx context.Context) error {
			_, err := bed.PostgresExporter(ctx, monitorUser, monitorPassword)
			return err
		},
		func(ctx context.Context) (err error) {
			s.alertmanager, err = bed.Alertmanager(ctx, read(t, fromRoot(t, alertmanagerFile)))
			return err
		},
		func(ctx context.Context) error { _, err := bed.Binary(ctx, program); return err },
	)
	options := testbed.ServiceOptions{
		Name: "service", Package: program, Args: []string{"--through", "05"}, Postgres: catalogue, UserData: s.userData,
		Shards: []*testbed.Postgres{s.shard, spare}, MailSink: mail, Redis: s.redis,
	}
	start(func(ctx context.Context) (err error) { s.service, err = bed.Service(ctx, options); return err })
	s.move(t, bed, options)
	replica := options
	replica.Name, replica.Aliases = "replica-2", []string{"replicas"}
	queue := options
	queue.Broker = s.broker
	role := func(ctx context.Context, name string) (*testbed.Role, error) {
		return bed.Role(ctx, testbed.RoleOptions{Service: queue, Role: name})
	}
	start(
		func(ctx context.Context) (err error) { s.replica, err = bed.Service(ctx, replica); return err },
		func(ctx context.Context) error { _, err := role(ctx, "relay"); return err },
		func(ctx context.Context) (err error) { s.worker, err = role(ctx, "worker"); return err },
		s.signUp,
	)
	// Prometheus starts after the subscribers have signed up, so that the CPU time of their passwords is
	// no latency that it sees.
	start(func(ctx context.Context) (err error) {
		s.prometheus, err = bed.Prometheus(ctx, read(t, fromRoot(t, scrapeFile)), hurried(t))
		return err
	})
	return s
}

// The role of the exporter, as shared/deploy/monitor-role.sh makes it.
const monitorUser, monitorPassword = "monitor", "a-test-only"

func addMonitorRole(ctx context.Context, server *testbed.Postgres) error {
	return ask(ctx, server, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD %s CONNECTION LIMIT 5; GRANT pg_monitor TO %[1]s`,
			pq.QuoteIdentifier(monitorUser), pq.QuoteLiteral(monitorPassword)))
		return err
	})
}

// ask opens a connection to a server, and closes it when f has returned.
func ask(ctx context.Context, server *testbed.Postgres, f func(*sql.DB) error) error {
	db, err := postgres.Open(ctx, server.URL(), postgres.PoolConfig{MaxOpen: 1})
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// residents is how many subscribers each server has at least.
const residents = 4

// signUp has subscribers join until each server has some, and signs them in.
func (s *stack) signUp(ctx context.Context) error {
	for n := 1; len(s.onOld) < residents || len(s.onShard) < residents; n++ {
		email := fmt.Sprintf("joined-%d@bytebites.example", n)
		account, err := json.Marshal(map[string]string{"email": email, "password": seed.Password, "name": fmt.Sprintf("Joined %d", n)})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.service.URL()+"/accounts", bytes.NewReader(account))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusCreated {
			return fmt.Errorf("sign up %s: %s, %w", email, response.Status, err)
		}
		sessions, err := load.Login(ctx, s.service.URL(), seed.Password, []string{email})
		if err != nil {
			return err
		}
		for server, at := range map[*testbed.Postgres]*[]load.Session{s.userData: &s.onOld, s.shard: &s.onShard} {
			err := ask(ctx, server, func(db *sql.DB) (err error) {
				var here int
				err = db.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE email = $1`, email).Scan(&here)
				if here > 0 {
					*at = append(*at, sessions...)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// load sends requests in the background until ctx ends, and then calls ended. The answers are not judged: a fault makes requests fail.
func (s *stack) load(ctx context.Context, kind load.Kind, sessions []load.Session, rate float64, ended func()) {
	generator := load.Generator{
		Target: s.service.URL(), Mix: load.Mix{Name: string(kind), Skew: load.Dinner().Skew, Shares: []load.Share{{Kind: kind, Weight: 1}}},
		Population: load.Population{Sessions: sessions}, Seed: 1,
	}
	for n := range mealsRead {
		generator.Population.Meals = append(generator.Population.Meals, seed.Meal(1+n))
	}
	s.loads.Go(func() {
		// Its error is that of ctx. A load that does not send fires no alert.
		_, _ = generator.Hit(ctx, rate, always)
		ended()
	})
}

// endLoad ends all loads.
func (s *stack) endLoad() {
	s.stopLoad()
	s.loads.Wait()
}

const (
	// mealsRead are the meals of the loads. None of them is scarce.
	mealsRead = 50
	// always is longer than the test.
	always = 10 * time.Minute
)

// squeezeRedis gives Redis less memory than it needs, so that it evicts every entry.
func (s *stack) squeezeRedis(ctx context.Context) (err error) {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Address()})
	defer func() { err = errors.Join(err, client.Close()) }()
	s.load(s.loading, load.ShowMeal, nil, menuRate, func() {})
	return client.ConfigSet(ctx, "maxmemory", "1mb").Err()
}

// crowdShard has the subscribers of one shard look into their carts.
func (s *stack) crowdShard(context.Context) error {
	s.load(s.loading, load.ShowCart, s.onShard, cartRate, func() {})
	return nil
}

// orderWithoutWorker stops the worker. Then subscribers order, until endOrders, whose data is on a server that no fault
// hits.
func (s *stack) orderWithoutWorker(ctx context.Context) error {
	if err := s.worker.Stop(ctx); err != nil {
		return err
	}
	var ordering context.Context
	ordering, s.stopOrders = context.WithCancel(s.loading)
	s.load(ordering, load.PlaceOrder, s.onOld, orderRate, func() { s.ordered <- time.Now() })
	return nil
}

// endOrders ends what orderWithoutWorker began.
func (s *stack) endOrders() { s.stopOrders() }

// workLate mends the shard, and starts the worker when the last order is old.
func (s *stack) workLate(ctx context.Context) error {
	if err := s.shard.Unpause(ctx); err != nil {
		return err
	}
	last := <-s.ordered
	if err := rig.Pause(ctx, time.Until(last.Add(oldAge))); err != nil {
		return err
	}
	return s.worker.Start(ctx)
}

// addEventWithoutBroker kills the broker, and adds an event to the outbox that the relay empties.
func (s *stack) addEventWithoutBroker(ctx context.Context) error {
	if err := s.broker.Kill(ctx); err != nil {
		return err
	}
	return s.addEvent(ctx)
}

// move begins the move of lab 04, which prepares the servers. Nobody has signed up, so it then gives
// every second bucket to the first shard at once, and one bucket to the second shard. A service asks all
// servers for an answer about all subscribers from then on.
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
	for _, server := range append([]*testbed.Postgres{service.Postgres, service.UserData}, service.Shards...) {
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
		next.Source[0] = shard.Old + 2
		next.Phase, next.Target = shard.Settled, next.Source
		return next, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// use asks for the popular meals, which are counted on all servers of user data. As with load, the answer is
// not judged: a busy machine may refuse it. What is not asked at all fires no alert.
func (s *stack) use(t *testing.T) {
	t.Helper()
	s.fetch(t, s.service.URL()+"/meals/popular")
}

// addEvent adds an event to the outbox that the relay empties, as an order does.
func (s *stack) addEvent(ctx context.Context) error {
	return ask(ctx, s.userData, func(db *sql.DB) error {
		return outbox.New(db).Add(ctx, "u1", bytebites.Event{
			ID: outbox.NewID(bytebites.TopicRecommendationRequest, "ord_1"), Topic: bytebites.TopicRecommendationRequest,
			User: "u1", Order: "ord_1", At: time.Now(),
		})
	})
}

// get decodes the JSON of a successful answer into body.
func (s *stack) get(t *testing.T, address string, body any) {
	t.Helper()
	status, text := s.fetch(t, address)
	if status != http.StatusOK {
		t.Fatalf("get %s: %s: %.200s", address, http.StatusText(status), text)
	}
	if err := json.Unmarshal(text, body); err != nil {
		t.Fatalf("get %s: %v: %.200s", address, err, text)
	}
}

// fetch returns the status of an answer, whatever it is, and its text.
func (s *stack) fetch(t *testing.T, address string) (int, []byte) {
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
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatalf("get %s: %s, %v: %.200s", address, response.Status, err, text)
	}
	return response.StatusCode, text
}

// unscraped returns a query whose answer shows that Prometheus does not yet have all that the alerts of the faults rest
// on, or nothing.
func (s *stack) unscraped(t *testing.T) string {
	t.Helper()
	for query, want := range map[string]string{
		`max_over_time(job:up:count{job="service"}[5m])`: "2", `max_over_time(job:up:count{job="redis"}[5m])`: "1",
		`max_over_time(job:up:count{job="roles"}[5m])`: "2", `max_over_time(job:up:count{job="rabbitmq"}[5m])`: "1",
		`count(bytebites_partial_answers_total{job="service"})`: "2", `count(bytebites_outbox_oldest_seconds)`: "3",
		`sum(pg_up)`: "4", `sum(redis_up)`: "1",
		`count(sum by (queue) (rabbitmq_detailed_queue_messages_ready{queue="confirmation_email"}))`: "1",
	} {
		var answer struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		s.get(t, s.prometheus.URL()+"/api/v1/query?query="+url.QueryEscape(query), &answer)
		if len(answer.Data.Result) != 1 || fmt.Sprint(answer.Data.Result[0].Value[1]) != want {
			return fmt.Sprintf("%s = %s: %v", query, want, answer.Data.Result)
		}
	}
	return ""
}

// firing returns the labels of the alerts that the Alertmanager shows.
func (s *stack) firing(t *testing.T) (all []map[string]string) {
	t.Helper()
	var alerts []struct{ Labels map[string]string }
	s.get(t, s.alertmanager.URL()+"/api/v2/alerts", &alerts)
	for _, alert := range alerts {
		all = append(all, alert.Labels)
	}
	return all
}

// await fails the test unless nothing is missing within a time, longer on a slow machine.
func (s *stack) await(t *testing.T, within time.Duration, missing func(*testing.T) string) {
	t.Helper()
	within = hostspeed.Wait(within)
	for deadline := time.Now().Add(within); ; time.Sleep(askEvery) {
		what := missing(t)
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("missing after %v: %s\nfiring: %v", within, what, s.firing(t))
		}
	}
}
