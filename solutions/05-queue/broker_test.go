package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/put"
	"bytebites.example/workshop/labs/05-queue/replay"
	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/fakebroker"
)

// patience is what anything here may take.
const patience = 30 * time.Second

// place is a broker, a real one or a fake.
type place interface {
	URL() string
	// types returns the types of all queues, by name.
	types(*testing.T) map[string]string
	// memory has the broker block clients that publish, or take messages again.
	memory(t *testing.T, short bool)
}

func TestAtTheBroker(t *testing.T) {
	t.Parallel() // it waits most of the time
	bed := testbed.ForTest(t)
	server, err := bed.RabbitMQ(t.Context(), testbed.RabbitMQOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range atABroker() {
		t.Run(test.name, func(t *testing.T) { test.run(t, rabbitMQ{server}) })
	}
}

// The same tests pass at the fake broker, so the lab's checks may use it.
func TestAtTheFakeBroker(t *testing.T) {
	t.Parallel()
	for _, test := range atABroker() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newFake(t))
		})
	}
}

// newFake starts a fake broker, whose clock goes on until the end of the test.
func newFake(t *testing.T) fake {
	t.Helper()
	server, err := fakebroker.Start()
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(tick): // a ticker makes up for a late tick, and its clock would run ahead
				server.Advance(tick)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return fake{server}
}

// tick is how often the fake broker's clock moves, at most. So it is never ahead of a wait by more than that.
const tick = 10 * time.Millisecond

type rabbitMQ struct{ *testbed.RabbitMQ }

func (r rabbitMQ) types(t *testing.T) map[string]string {
	t.Helper()
	queues, err := r.Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]string)
	for _, q := range queues {
		types[q.Name] = q.Type
	}
	return types
}

func (r rabbitMQ) memory(t *testing.T, short bool) {
	t.Helper()
	limit := map[bool]string{true: "0.00001", false: "0.6"}[short]
	if _, err := r.Exec(t.Context(), "rabbitmqctl", "set_vm_memory_high_watermark", limit); err != nil {
		t.Fatal(err)
	}
}

type fake struct{ *fakebroker.Broker }

func (f fake) types(*testing.T) map[string]string {
	types := make(map[string]string)
	for _, q := range f.Queues() {
		types[q.Name] = q.Type
	}
	return types
}

func (f fake) memory(_ *testing.T, short bool) {
	if short {
		f.Block()
	} else {
		f.Unblock()
	}
}

// brokerTest is a test of the solution at a broker, which it may share with the tests before it.
type brokerTest struct {
	name string
	run  func(*testing.T, place)
}

func atABroker() []brokerTest {
	return []brokerTest{
		{"declared again and at once", testDeclare},
		{"what no queue takes is not confirmed", testReturned},
		{"a broken channel confirms nothing", testBroken},
		{"what fails comes again and is parked", testRetries},
		{"a handler has so many in hand", testPrefetch},
		{"told to stop it ends what it has begun", testStop},
		{"a replay ends at the mark", testReplay},
		{"short of memory", testBlocked}, // last: it leaves connections behind
	}
}

// at returns a consumer's side of the broker, on which everything is declared and all queues are
// empty.
func at(t *testing.T, server place) roles.Broker {
	t.Helper()
	meter, err := rabbit.NewMeter(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	b := roles.Broker{
		Conn: connect(t, server), Link: roles.NewLink(connect(t, server), meter), Meter: meter,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	ch := channel(t, b.Conn)
	if err := Declare(ch); err != nil {
		t.Fatal(err)
	}
	for _, s := range subscriptions() {
		for _, name := range []string{s.queue, s.queue + ".parked"} {
			if _, err := ch.QueuePurge(name, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

func connect(t *testing.T, server place) *amqp.Connection {
	t.Helper()
	conn, err := amqp.DialConfig(server.URL(), amqp.Config{Heartbeat: 5 * time.Second, Locale: "en_US"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseDeadline(time.Now().Add(2 * time.Second)) })
	return conn
}

func channel(t *testing.T, conn *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// depth is how many messages wait in a queue.
func depth(t *testing.T, b roles.Broker, queue string) int {
	t.Helper()
	ch := channel(t, b.Conn)
	defer ch.Close() //nolint:errcheck // only read from
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

// await fails the test unless it comes to be.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// publish puts events into the queues that they are for.
func publish(t *testing.T, b roles.Broker, events ...bytebites.Event) {
	t.Helper()
	publish := NewPublisher(b.Link, b.Meter)
	for batch := range slices.Chunk(events, roles.Batch) {
		confirmed, err := publish(t.Context(), batch)
		if err != nil || len(confirmed) != len(batch) {
			t.Fatalf("%d of %d events confirmed, %v", len(confirmed), len(batch), err)
		}
	}
}

// dinners are events of so many orders.
func dinners(n int) []bytebites.Event {
	events := make([]bytebites.Event, n)
	for i := range events {
		events[i] = happened(bytebites.TopicOrderPlaced)
		events[i].Order = bytebites.OrderID(fmt.Sprintf("o%d", i))
		events[i].ID = bytebites.EventID(fmt.Sprintf("order_placed:o%d", i))
	}
	return events
}

// serve has a queue's messages handled until the test, or stop, ends it.
func serve(t *testing.T, b roles.Broker, c roles.Consumer) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, b, c) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("does not stop")
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func testDeclare(t *testing.T, server place) {
	var declaring sync.WaitGroup
	for range 3 {
		conn := connect(t, server)
		declaring.Go(func() {
			ch, err := conn.Channel()
			if err == nil {
				err = errors.Join(Declare(ch), Declare(ch))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	declaring.Wait()
	queues := server.types(t)
	for name, kind := range queues {
		if want := map[bool]string{true: "stream", false: "quorum"}[name == replay.Log]; kind != want {
			t.Errorf("%s is a %s queue, want %s", name, kind, want)
		}
	}
	if want := 2*len(subscriptions()) + len(retry.Delays()) + 1; len(queues) != want {
		t.Errorf("%d queues, want %d: %v", len(queues), want, slices.Sorted(maps.Keys(queues)))
	}
}

func testReturned(t *testing.T, server place) {
	b := at(t, server)
	ch := channel(t, b.Conn)
	for queue, key := range map[string]string{paymentQueue: string(bytebites.TopicPaymentProcessed), replay.Log: "#"} {
		if err := ch.QueueUnbind(queue, key, Exchange, nil); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if err := Declare(ch); err != nil {
			t.Fatal(err)
		}
	}()
	publish := NewPublisher(b.Link, b.Meter)
	// A full batch: each message that is returned has room.
	var events []bytebites.Event
	var want []bytebites.EventID
	for i := range roles.Batch {
		topic := bytebites.TopicPaymentProcessed
		if i%10 == 9 {
			topic = bytebites.TopicOrderPlaced
		}
		event := happened(topic)
		event.ID = bytebites.EventID(fmt.Sprintf("e%d", i))
		events = append(events, event)
		if topic == bytebites.TopicOrderPlaced {
			want = append(want, event.ID)
		}
	}
	for range 2 { // it does as well the second time
		confirmed, err := publish(t.Context(), events)
		if err != nil || !slices.Equal(confirmed, want) {
			t.Fatalf("confirmed %v, %v; want %v", confirmed, err, want)
		}
	}
	if got := depth(t, b, emailQueue); got != 2*len(want) {
		t.Errorf("%d messages arrived, want %d", got, 2*len(want))
	}
}

func testBroken(t *testing.T, server place) {
	b := at(t, server)
	// There is no such exchange, which the broker says by closing the channel.
	m, err := messageOf(happened(bytebites.TopicOrderPlaced))
	if err != nil {
		t.Fatal(err)
	}
	p := put.New(b.Link)
	if err := p.Publish(t.Context(), "nowhere", "", m); err == nil {
		t.Error("no error, want that there is no such exchange")
	}
	if err := p.Publish(t.Context(), Exchange, string(bytebites.TopicOrderPlaced), m); err == nil {
		t.Error("afterwards no error, want that the channel is closed")
	}
	ch := channel(t, b.Conn)
	if err := ch.ExchangeDelete(Exchange, false, false); err != nil {
		t.Fatal(err)
	}
	confirmed, err := NewPublisher(b.Link, b.Meter)(t.Context(), dinners(3))
	if err == nil || len(confirmed) > 0 {
		t.Errorf("%v, %v; want an error, and nothing confirmed", confirmed, err)
	}
}

func testRetries(t *testing.T, server place) {
	b := at(t, server)
	events := dinners(20)
	publish(t, b, events...)
	ch := channel(t, b.Conn)
	if err := ch.PublishWithContext(t.Context(), "", ledgerQueue, true, false, amqp.Publishing{Body: []byte("dinner")}); err != nil {
		t.Fatal(err)
	}
	const poison = "o7"
	var mu sync.Mutex
	tried := make(map[bytebites.OrderID][]time.Time)
	serve(t, b, roles.Consumer{Queue: ledgerQueue, Prefetch: 3, Handle: func(_ context.Context, event bytebites.Event) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		tried[event.Order] = append(tried[event.Order], time.Now())
		if event.Order == poison {
			return false, errDown
		}
		return true, nil
	}})
	await(t, "two messages are parked", func() bool { return depth(t, b, ledgerQueue+".parked") == 2 })
	mu.Lock()
	defer mu.Unlock()
	if len(tried) != len(events) {
		t.Errorf("%d orders were tried, want all %d", len(tried), len(events))
	}
	for order, at := range tried {
		if order != poison && len(at) != 1 {
			t.Errorf("%s was tried %d times", order, len(at))
		}
	}
	at := tried[poison]
	if len(at) != tries {
		t.Fatalf("the one that fails was tried %d times, want %d", len(at), tries)
	}
	for i, want := range []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second, 3 * time.Second} {
		if waited := at[i+1].Sub(at[i]); waited < want-tick {
			t.Errorf("try %d came after %v, want no less than %v", i+2, waited, want)
		}
	}
}

func testPrefetch(t *testing.T, server place) {
	b := at(t, server)
	const hands = 5
	publish(t, b, dinners(4*hands)...)
	var mu sync.Mutex
	now, most, handled := 0, 0, 0
	serve(t, b, roles.Consumer{Queue: ledgerQueue, Prefetch: hands, Handle: func(context.Context, bytebites.Event) (bool, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(200 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		now--
		handled++
		return true, nil
	}})
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return handled == 4*hands
	}
	await(t, "all are handled", all)
	if most != hands {
		t.Errorf("%d in hand at once, want %d", most, hands)
	}
}

func testStop(t *testing.T, server place) {
	b := at(t, server)
	publish(t, b, dinners(20)...)
	begun, finish := make(chan struct{}, 20), make(chan struct{})
	var handled atomic.Int64
	stop := serve(t, b, roles.Consumer{Queue: ledgerQueue, Prefetch: 4, Handle: func(ctx context.Context, _ bytebites.Event) (bool, error) {
		begun <- struct{}{}
		<-finish
		handled.Add(1)
		return true, ctx.Err()
	}})
	for range 4 {
		<-begun
	}
	time.AfterFunc(500*time.Millisecond, func() { close(finish) })
	if err := stop(); err != nil {
		t.Error(err)
	}
	done := int(handled.Load())
	if done < 4 || done > 8 { // those in hand, and few that came in between
		t.Errorf("%d handled, want those that were in hand", done)
	}
	await(t, "the others are back in their queue", func() bool { return depth(t, b, ledgerQueue) == 20-done })
}

func testReplay(t *testing.T, server place) {
	b := at(t, server)
	fresh := func(prefix string) []bytebites.Event { // of which the log has none yet
		events := dinners(150)
		for i := range events {
			events[i].Order = bytebites.OrderID(fmt.Sprintf("%s%d", prefix, i))
			events[i].ID = bytebites.EventID("replayed:" + string(events[i].Order))
		}
		return events
	}
	replayed := func(events []bytebites.Event) {
		t.Helper()
		publish(t, b, events...)
		publish(t, b, happened(bytebites.TopicRecommendationRequest))
		seen := make(map[bytebites.OrderID]int)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := Replay(ctx, b, roles.Consumer{Queue: emailQueue, Handle: func(_ context.Context, event bytebites.Event) (bool, error) {
			if event.Topic != bytebites.TopicOrderPlaced {
				t.Errorf("replayed %+v", event)
			}
			seen[event.Order]++
			return true, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			if seen[event.Order] != 1 {
				t.Fatalf("%s was replayed %d times", event.Order, seen[event.Order])
			}
		}
	}
	first := fresh("a")
	replayed(first)
	replayed(append(fresh("b"), first[0])[:150]) // over the mark of the one before
}

// A broker that is short of memory blocks connections that publish. Handlers go on, and a failed message
// waits. No message is lost, and few are sent twice.
func testBlocked(t *testing.T, server place) {
	b := at(t, server)
	publish(t, b, dinners(30)...)
	if _, isFake := server.(fake); isFake && testing.Short() {
		t.Skip("waits for 20 s")
	}
	server.memory(t, true)
	defer server.memory(t, false)

	const blockedFor = 7 * time.Second // longer than a broker that is not blocked may take to confirm
	hurried, cancel := context.WithTimeout(t.Context(), blockedFor)
	defer cancel()
	began := time.Now()
	confirmed, err := NewPublisher(b.Link, b.Meter)(hurried, []bytebites.Event{happened(bytebites.TopicRecommendationRequest)})
	if err == nil || len(confirmed) > 0 || time.Since(began) < blockedFor || !b.Link.Blocked() {
		t.Fatalf("%v, %v after %v, blocked %v; want nothing for as long as may be waited", confirmed, err, time.Since(began), b.Link.Blocked())
	}

	var handled atomic.Int64
	stop := serve(t, b, roles.Consumer{Queue: ledgerQueue, Prefetch: 5, Handle: func(_ context.Context, event bytebites.Event) (bool, error) {
		handled.Add(1)
		if event.Order == "o3" {
			return false, errDown
		}
		return true, nil
	}})
	await(t, "all but the one that fails are done", func() bool { return handled.Load() == 30 })
	time.Sleep(10 * time.Second) // far longer than the broker may take otherwise
	if handled.Load() != 30 {
		t.Errorf("%d handled, want 30 and that the one that fails waits", handled.Load())
	}
	server.memory(t, false)
	await(t, "the one that fails comes again and is parked", func() bool { return depth(t, b, ledgerQueue+".parked") == 1 })
	if handled.Load() != 30+tries-1 {
		t.Errorf("%d handled, want %d", handled.Load(), 30+tries-1)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
