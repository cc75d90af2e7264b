package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
	"github.com/prometheus/client_golang/prometheus"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := httpapi.New(httpapi.Config{})
	for _, name := range []string{"Catalogue", "Checkout", "StaffToken", "PaymentSecret"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("expected %s to be named, saw %v", name, err)
		}
	}
}

// failing makes one call of a world fail.
func failing(world *fake.World, call string, err error) {
	world.Fail = func(_ context.Context, name string) error {
		if name == call {
			return err
		}
		return nil
	}
}

func TestErrorsOfStoresBecomeProblems(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		slug   string
	}{
		{"unknown", errors.New("pq: password authentication failed for user bytebites"), 500, "internal"},
		{"wrapped not found", fmt.Errorf("read meal: %w", bytebites.ErrNotFound), 404, "not-found"},
		{"busy", fmt.Errorf("pool: %w", bytebites.ErrBusy), 503, "busy"},
		{"deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := fake.NewWorld(users, meals, time.Now)
			failing(world, "Meal", test.err)
			var log bytes.Buffer
			url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) }))
			answer, err := mustClient(t, url).Get(t.Context(), "/meals/"+string(fake.Meal(1)))
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.WantProblem(test.status, test.slug); err != nil {
				t.Fatal(err)
			}
			if test.status >= 500 {
				id := answer.Answer.Get("X-Request-Id")
				if said := log.String(); !strings.Contains(said, id) || !strings.Contains(said, test.err.Error()) {
					t.Errorf("expected request %s and its error in the log, saw %s", id, said)
				}
			}
			if bytes.Contains(answer.AnswerBody, []byte("pq:")) {
				t.Errorf("the client was told %s", answer.AnswerBody)
			}
		})
	}
}

func TestOrderErrorsBecomeProblems(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		slug   string
	}{
		{&bytebites.OutOfStockError{Meal: fake.Meal(1)}, 409, "out-of-stock"},
		{fmt.Errorf("x: %w", bytebites.ErrKeyReused), 422, "idempotency-key-reused"},
		{fmt.Errorf("x: %w", bytebites.ErrNotFound), 422, "invalid-content"},
		{fmt.Errorf("x: %w", bytebites.ErrBusy), 503, "busy"},
		{errors.New("disk full"), 500, "internal"},
	} {
		t.Run(test.slug, func(t *testing.T) {
			world := fake.NewWorld(users, meals, time.Now)
			one := mustSignIn(t, mustServe(t, configOf(world)))
			failing(world, "PlaceOrder", test.err)
			answer, err := one.Post(t.Context(), "/orders", json.RawMessage(`{"lines":[{"meal_id":"m0001","quantity":1}]}`), contract.Header("Idempotency-Key", "k"))
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.WantProblem(test.status, test.slug); err != nil {
				t.Error(err)
			}
		})
	}
}

// A driver reports a cancelled query with its own error.
func TestAnyErrorAfterTheDeadlineIsATimeout(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	world.Fail = func(ctx context.Context, call string) error {
		if call != "Meals" {
			return nil
		}
		<-ctx.Done()
		return errors.New("pq: canceling statement due to user request")
	}
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.RequestTimeout = 50 * time.Millisecond }))
	answer, err := mustClient(t, url).Get(t.Context(), "/meals")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.WantProblem(http.StatusServiceUnavailable, "timeout"); err != nil {
		t.Error(err)
	}
}

func TestPanicsAreHidden(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	world.Fail = func(_ context.Context, call string) error {
		if call == "Meals" {
			panic("secret state")
		}
		return nil
	}
	var log bytes.Buffer
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) }))
	answer, err := mustClient(t, url).Get(t.Context(), "/meals")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.WantProblem(http.StatusInternalServerError, "internal"); err != nil {
		t.Error(err)
	}
	if bytes.Contains(answer.AnswerBody, []byte("secret")) {
		t.Errorf("the client was told %s", answer.AnswerBody)
	}
	if said := log.String(); !strings.Contains(said, "secret state") || !strings.Contains(said, "goroutine") {
		t.Errorf("expected the cause and a stack in the log, saw %s", said)
	}
}

func TestSessionsExpireAndStoresSeeOnlyHashes(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	world := fake.NewWorld(users, meals, now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.Now, c.SessionTTL, c.SecureCookies = now, time.Hour, true }))
	c := mustClient(t, url)
	answer := mustWant(t, http.StatusCreated)(c.Post(t.Context(), "/sessions", map[string]string{"email": fake.Email(1), "password": fake.Password}))
	cookie := answer.Cookies()[0]
	if !cookie.Secure || cookie.MaxAge != 3600 {
		t.Errorf("expected a secure cookie of an hour, saw %+v", cookie)
	}
	if hashes := world.SessionHashes(); len(hashes) != 1 || hashes[0] != sha256.Sum256([]byte(cookie.Value)) {
		t.Error("the store was not given the hash of the token")
	}
	header := contract.Header("Cookie", cookie.Name+"="+cookie.Value)
	mustWant(t, http.StatusOK)(c.Get(t.Context(), "/me", header))
	clock.Add(int64(time.Hour - time.Second))
	mustWant(t, http.StatusOK)(c.Get(t.Context(), "/me", header))
	clock.Add(int64(2 * time.Second))
	mustWant(t, http.StatusUnauthorized)(c.Get(t.Context(), "/me", header))
}

// A store that does not check the expiry must not keep a session alive.
func TestExpiryDoesNotDependOnTheStore(t *testing.T) {
	world := fake.NewWorld(users, meals, func() time.Time { return time.Time{} })
	var late atomic.Bool
	now := func() time.Time {
		if late.Load() {
			return time.Now().Add(24 * time.Hour)
		}
		return time.Now()
	}
	one := mustSignIn(t, mustServe(t, configOf(world, func(c *httpapi.Config) { c.Now = now })))
	late.Store(true)
	mustWant(t, http.StatusUnauthorized)(one.Get(t.Context(), "/me"))
}

// With one comparison at a time, a request that waits longer than its deadline gets 503.
func TestSignInsAreBounded(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) {
		c.MaxSignIns, c.RequestTimeout = 1, 300*time.Millisecond
		c.Directory = slowHash{world}
	}))
	c := mustClient(t, url)
	var wg sync.WaitGroup
	statuses := make(chan int, 8)
	for range cap(statuses) {
		wg.Go(func() {
			answer, err := c.Post(context.Background(), "/sessions", map[string]string{"email": fake.Email(1), "password": "wrong"})
			if err != nil {
				t.Error(err)
				return
			}
			statuses <- answer.Status
		})
	}
	wg.Wait()
	close(statuses)
	busy := 0
	for status := range statuses {
		switch status {
		case http.StatusServiceUnavailable:
			busy++
		case http.StatusUnauthorized:
		default:
			t.Errorf("answered %d", status)
		}
	}
	if busy == 0 {
		t.Error("eight sign-ins of 250 ms each were done one at a time within 300 ms")
	}
}

// slowHash gives all accounts a hash that takes about 250 ms to compare.
type slowHash struct{ *fake.World }

func (slowHash) Account(context.Context, string) (bytebites.Account, error) {
	// bcrypt, cost 12, of an arbitrary text
	return bytebites.Account{User: "u", PasswordHash: []byte("$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW")}, nil
}

func TestUnknownEmailsCostAComparison(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.PasswordCost = 11 })) // about 120 ms
	start := time.Now()
	mustWant(t, http.StatusUnauthorized)(mustClient(t, url).Post(t.Context(), "/sessions", map[string]string{"email": "nobody@bytebites.example", "password": "x"}))
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("refused within %v, too fast to have compared anything", took)
	}
}

func TestSlowBodies(t *testing.T) {
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.BodyTimeout = 100 * time.Millisecond }))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) || !bytes.Contains(answer, []byte("/problems/slow-body")) {
		t.Errorf("saw %s", answer)
	}
}

// The deadline of the body must not end the work that follows.
func TestSlowWorkAfterABodyGoesOn(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.BodyTimeout = 50 * time.Millisecond }))
	one := mustSignIn(t, url)
	world.Fail = func(ctx context.Context, call string) error {
		if call != "SetCart" {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range 2 { // twice on one connection
		mustWant(t, http.StatusOK)(one.Put(t.Context(), "/cart", json.RawMessage(`{"lines":[{"meal_id":"m0001","quantity":1}]}`)))
	}
}

func TestReadiness(t *testing.T) {
	var down atomic.Bool
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) {
		c.Ready = func(ctx context.Context) error {
			if down.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
	}))
	c := mustClient(t, url)
	mustWant(t, http.StatusOK)(c.Get(t.Context(), "/readyz"))
	down.Store(true)
	start := time.Now()
	mustWant(t, http.StatusServiceUnavailable)(c.Get(t.Context(), "/readyz"))
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("not ready after %v: a balancer has given up by then", took)
	}
	mustWant(t, http.StatusOK)(c.Get(t.Context(), "/healthz"))
}

func TestMetricsStayBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.Registry = registry }))
	c := mustClient(t, url)
	for i := range 50 {
		for _, call := range [][2]string{{"GET", "/meals/x"}, {"GET", "/nothing/"}, {"BREW", "/pot/"}, {"M", "/meals/"}} {
			method, path := call[0], call[1]+fmt.Sprint(i)
			if method == "M" {
				method += fmt.Sprint(i)
			}
			if _, err := c.Do(t.Context(), method, path, nil, contract.Hostile()); err != nil {
				t.Fatal(err)
			}
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, family := range families {
		if family.GetName() == "http_request_duration_seconds" {
			found = true
			if n := len(family.GetMetric()); n != 3 {
				t.Errorf("expected 3 time series, saw %d", n)
			}
		}
	}
	if !found {
		t.Error("no request histogram")
	}
}

func TestHostNamesCannotInjectHeaders(t *testing.T) {
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.Instance = "web-1\r\nX-Evil: 1" }))
	answer := mustWant(t, http.StatusOK)(mustClient(t, url).Get(t.Context(), "/healthz"))
	if got := answer.Answer.Get("X-Instance"); got != "web-1X-Evil:1" || answer.Answer.Get("X-Evil") != "" {
		t.Errorf("saw instance %q and X-Evil %q", got, answer.Answer.Get("X-Evil"))
	}
}

func TestPageEscapesWhatItShows(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) { c.Instance, c.DemoEmail = `<b>x</b>`, `"><script>` }))
	answer := mustWant(t, http.StatusOK)(mustClient(t, url).Get(t.Context(), "/"))
	page := string(answer.AnswerBody)
	if strings.Contains(page, "<b>x") || strings.Contains(page, `"><script>`) {
		t.Error("the page holds markup of its configuration")
	}
	if !strings.Contains(page, "<option>thai</option>") {
		t.Error("the page has no cuisine to filter by")
	}
	if strings.Contains(page, "style=") || strings.Contains(page, "<script>") {
		t.Error("the page has inline style or script, which its own policy forbids")
	}
}

func TestPageWorksWithoutCatalogue(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	failing(world, "Tastes", errors.New("database is down"))
	answer := mustWant(t, http.StatusOK)(mustClient(t, mustServe(t, configOf(world))).Get(t.Context(), "/"))
	if !bytes.Contains(answer.AnswerBody, []byte("<main")) {
		t.Error("no page")
	}
}

func TestAccessLogHoldsNoSecrets(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	logger := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.Logger = logger }))
	if err := contract.Run(t.Context(), targetOf(url)); err != nil {
		t.Fatal(err)
	}
	one := mustSignIn(t, url)
	answer := mustWant(t, http.StatusOK)(one.Get(t.Context(), "/me"))
	mustWant(t, http.StatusCreated)(signUp(t.Context(), one, "newcomer@example.com"))
	mustWant(t, http.StatusConflict)(signUp(t.Context(), one, "newcomer@example.com"))
	mu.Lock()
	defer mu.Unlock()
	said := log.String()
	for _, secret := range []string{fake.Password, newPassword, staffToken, string(paymentSecret), fake.Email(1), "newcomer@example.com", answer.Header.Get("Cookie")} {
		if strings.Contains(said, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(said, `"msg":"sign-in refused"`) || !strings.Contains(said, `"client":"127.0.0.1"`) {
		t.Error("the log does not tell which client was refused")
	}
	if !strings.Contains(said, `"route":"/orders/:id"`) || !strings.Contains(said, `"user":"u0000001"`) {
		t.Error("the log lacks route or user")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Writer.Write(p)
}

// Every route gives only documented answers, and every documented operation has a route.
func TestEveryOperationIsRouted(t *testing.T) {
	handler, err := httpapi.New(configOf(fake.NewWorld(users, meals, time.Now)))
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range mustOperations(t) {
		request := httptest.NewRequest(op.method, strings.NewReplacer("{id}", "m0001", "{name}", "app.js").Replace(op.path), nil)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code == http.StatusNotFound || recorder.Code == http.StatusMethodNotAllowed {
			t.Errorf("%s %s was answered %d", op.method, op.path, recorder.Code)
		}
	}
}

func BenchmarkMeals(b *testing.B) {
	handler, err := httpapi.New(configOf(fake.NewWorld(users, meals, time.Now)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/meals"}, Header: http.Header{}})
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Code)
		}
	}
}
