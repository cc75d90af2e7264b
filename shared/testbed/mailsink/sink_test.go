package mailsink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/mailsink"
)

// running is a sink that listens on real ports.
type running struct {
	mail, control string
	stop          func() error
}

func start(t *testing.T, delay time.Duration, keep int) running {
	t.Helper()
	sink, err := mailsink.New(delay, keep)
	if err != nil {
		t.Fatal(err)
	}
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sink.Serve(ctx, listeners[0], listeners[1], slog.New(slog.DiscardHandler)) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return running{
		mail:    listeners[0].Addr().String(),
		control: "http://" + listeners[1].Addr().String(),
		stop:    stop,
	}
}

// send mails with the standard library's client.
func (r running) send(id string, to ...string) error {
	message := fmt.Sprintf("Message-ID: %s\r\nSubject: dinner\r\n\r\nEnjoy.\r\n", id)
	return smtp.SendMail(r.mail, nil, "dinner@bytebites.example", to, []byte(message))
}

// ask sends a command and decodes the answer into into, unless that is nil.
func (r running) ask(t *testing.T, method, path, body string, into any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.control+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if into != nil {
		if err := json.NewDecoder(response.Body).Decode(into); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return response.StatusCode
}

func (r running) stats(t *testing.T) (stats mailsink.Stats) {
	t.Helper()
	if code := r.ask(t, "GET", "/stats", "", &stats); code != 200 {
		t.Fatalf("status %d", code)
	}
	return stats
}

func TestCountsByRecipientAndMessageID(t *testing.T) {
	r := start(t, 0, 0)
	for _, m := range [][2]string{{"<1@x>", "a@x.example"}, {"<2@x>", "b@x.example"}, {"<1@x>", "a@x.example"}} {
		if err := r.send(m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	got := r.stats(t)
	want := mailsink.Stats{Accepted: 3, Duplicates: 1, Distinct: 2, MostWaiting: 1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var messages []mailsink.Message
	r.ask(t, "GET", "/messages?to=a@x.example", "", &messages)
	if len(messages) != 2 || messages[0].MessageID != "<1@x>" || messages[0].Subject != "dinner" {
		t.Errorf("got %+v, want both to a", messages)
	}
	r.ask(t, "GET", "/messages?to=nobody@x.example", "", &messages)
	if len(messages) != 0 {
		t.Errorf("got %+v, want none", messages)
	}
	r.ask(t, "DELETE", "/messages", "", nil)
	if got := r.stats(t); got != (mailsink.Stats{}) {
		t.Errorf("after the reset: %+v", got)
	}
}

func TestDelayIsSetWhileItRuns(t *testing.T) {
	r := start(t, 150*time.Millisecond, 0)
	took := func() time.Duration {
		begin := time.Now()
		if err := r.send("<1@x>", "a@x.example"); err != nil {
			t.Fatal(err)
		}
		return time.Since(begin)
	}
	if d := took(); d < 150*time.Millisecond {
		t.Errorf("took %v, want 150 ms or more", d)
	}
	var stats mailsink.Stats
	if code := r.ask(t, "PUT", "/delay", `{"delay_ms": 1}`, &stats); code != 200 || stats.DelayMillis != 1 {
		t.Fatalf("status %d, %+v", code, stats)
	}
	if d := took(); d >= 150*time.Millisecond {
		t.Errorf("took %v after the delay was set to 1 ms", d)
	}
}

func TestDelayHoldsUpNobodyElse(t *testing.T) {
	r := start(t, 200*time.Millisecond, 0)
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := r.send(fmt.Sprintf("<%d@x>", i), "a@x.example"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("ten at a time took %v: they wait one after another", d)
	}
}

func TestFailureRate(t *testing.T) {
	r := start(t, 0, 0)
	for _, test := range []struct {
		rate string
		want int64 // rejected of 20
	}{{"0", 0}, {"0.25", 5}, {"0.1", 2}, {"1", 20}} {
		r.ask(t, "DELETE", "/messages", "", nil)
		if code := r.ask(t, "PUT", "/failure", `{"rate": `+test.rate+`}`, nil); code != 200 {
			t.Fatalf("status %d", code)
		}
		refused := int64(0)
		for i := range 20 {
			if err := r.send(fmt.Sprintf("<%d@x>", i), "a@x.example"); err != nil {
				if !strings.HasPrefix(err.Error(), "451") {
					t.Fatalf("got %v, want a temporary error", err)
				}
				refused++
			}
		}
		if stats := r.stats(t); refused != test.want || stats.Rejected != refused || stats.Accepted != 20-refused {
			t.Errorf("rate %s: %d refused, %+v; want %d", test.rate, refused, stats, test.want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	r := start(t, 0, 3)
	for _, id := range []string{"<1@x>", "<2@x>", "<3@x>", "<4@x>", "<5@x>"} {
		if err := r.send(id, "a@x.example"); err != nil {
			t.Fatal(err)
		}
	}
	var messages []mailsink.Message
	r.ask(t, "GET", "/messages", "", &messages)
	if len(messages) != 3 || messages[0].MessageID != "<3@x>" || messages[2].MessageID != "<5@x>" {
		t.Errorf("got %+v, want the latest three, the oldest first", messages)
	}
	r.ask(t, "GET", "/messages?limit=1", "", &messages)
	if len(messages) != 1 || messages[0].MessageID != "<5@x>" {
		t.Errorf("got %+v, want the latest", messages)
	}
	if stats := r.stats(t); stats.Accepted != 5 || stats.Distinct != 3 {
		t.Errorf("got %+v, want 5 accepted and 3 remembered", stats)
	}
}

func TestBadCommandsChangeNothing(t *testing.T) {
	r := start(t, 7*time.Millisecond, 0)
	for _, test := range [][2]string{
		{"/delay", `{"delay_ms": -1}`}, {"/delay", `{"delay_ms": 9223372036854775807}`},
		{"/delay", `{"delay_ms": "60"}`}, {"/delay", `{}`}, {"/delay", `{"delay": 60}`}, {"/delay", ``},
		{"/delay", `{"delay_ms": 1, "x": "` + strings.Repeat("x", 1<<16) + `"}`},
		{"/failure", `{"rate": 1.5}`}, {"/failure", `{"rate": -0.1}`}, {"/failure", `{}`},
	} {
		if code := r.ask(t, "PUT", test[0], test[1], nil); code != http.StatusBadRequest {
			t.Errorf("PUT %s %.40s: status %d, want 400", test[0], test[1], code)
		}
	}
	if code := r.ask(t, "GET", "/messages?limit=-1", "", nil); code != http.StatusBadRequest {
		t.Errorf("limit -1: status %d, want 400", code)
	}
	if got := r.stats(t); got != (mailsink.Stats{DelayMillis: 7}) {
		t.Errorf("got %+v", got)
	}
}

// TestRenewal: nothing of before is left, and what was under way then is not counted.
func TestRenewal(t *testing.T) {
	r := start(t, 0, 100)
	if err := r.send("<before>", "zoe@example.com"); err != nil {
		t.Fatal(err)
	}
	kept, err := smtp.Dial(r.mail)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	if err := kept.Hello("kept.example"); err != nil {
		t.Fatal(err)
	}
	r.ask(t, http.MethodPut, "/failure", `{"rate": 1, "permanent": true}`, nil)
	r.ask(t, http.MethodPut, "/delay", `{"delay_ms": 200}`, nil)
	waits := make(chan error, 1)
	go func() { waits <- r.send("<waits>", "zoe@example.com") }()
	for r.stats(t).Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	var renewed mailsink.Stats
	if status := r.ask(t, http.MethodDelete, "/everything", "", &renewed); status != http.StatusOK || renewed != (mailsink.Stats{}) {
		t.Errorf("status %d, stats %+v, want 200 and those of a new sink", status, renewed)
	}
	if err := kept.Mail("dinner@bytebites.example"); err == nil || !strings.HasPrefix(err.Error(), "421") {
		t.Errorf("a connection of before: %v, want error 421", err)
	}
	if err := <-waits; err == nil {
		t.Error("a message that waited was accepted, and its sink rejects all")
	}
	if err := r.send("<after>", "zoe@example.com"); err != nil {
		t.Error(err)
	}
	if stats := r.stats(t); stats != (mailsink.Stats{Accepted: 1, Distinct: 1, MostWaiting: 1}) {
		t.Errorf("%+v, want one accepted message", stats)
	}
}

func TestMostWaiting(t *testing.T) {
	r := start(t, 200*time.Millisecond, 0)
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() {
			if err := r.send(fmt.Sprintf("<%d@x>", i), "a@x.example"); err != nil {
				t.Error(err)
			}
		})
	}
	for r.stats(t).Waiting < 3 && r.stats(t).Accepted == 0 {
		time.Sleep(time.Millisecond)
	}
	senders.Wait()
	if got := r.stats(t); got.MostWaiting != 3 || got.Waiting != 0 {
		t.Errorf("got %+v, want 3 at most and none now", got)
	}
	if code := r.ask(t, "DELETE", "/messages", "", nil); code/100 != 2 {
		t.Fatalf("reset: status %d", code)
	}
	if got := r.stats(t); got.MostWaiting != 0 {
		t.Errorf("after a reset: %+v", got)
	}
}

func TestMalformedMailIsRefused(t *testing.T) {
	r := start(t, 0, 0)
	err := smtp.SendMail(r.mail, nil, "a@x.example", []string{"b@x.example"}, []byte("no header\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "554") {
		t.Errorf("got %v, want 554", err)
	}
}

func TestStopRefusesWhatWaits(t *testing.T) {
	r := start(t, time.Minute, 0)
	sent := make(chan error, 1)
	go func() { sent <- r.send("<1@x>", "a@x.example") }()
	for deadline := time.Now().Add(5 * time.Second); r.stats(t).Waiting == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the mail never came")
		}
	}
	begin := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("stopping took %v", d)
	}
	if err := <-sent; err == nil || !strings.HasPrefix(err.Error(), "451") {
		t.Errorf("got %v, want 451: the sender must know that the mail was not taken", err)
	}
}
