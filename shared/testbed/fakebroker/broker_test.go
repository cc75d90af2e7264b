package fakebroker_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/testbed/fakebroker"
)

func start(t *testing.T) (*fakebroker.Broker, *amqp.Channel) {
	t.Helper()
	b, err := fakebroker.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) })
	return b, channel(t, conn)
}

func channel(t *testing.T, conn *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func declare(t *testing.T, ch *amqp.Channel, name string, arguments amqp.Table) {
	t.Helper()
	if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
		t.Fatal(err)
	}
}

func bodies(b *fakebroker.Broker, name string) (all []string) {
	q, _ := b.Queue(name)
	for _, m := range q.Ready {
		all = append(all, string(m.Body))
	}
	return all
}

func TestTopics(t *testing.T) {
	b, ch := start(t)
	if err := ch.ExchangeDeclare("x", amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pattern, key string
		want         bool
	}{
		{"#", "a", true}, {"#", "", true}, {"*", "a", true}, {"*", "a.b", false}, {"a.#", "a", true}, {"a.#", "a.b.c", true},
		{"#.c", "a.b.c", true}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a.c", false}, {"a", "b", false},
	} {
		declare(t, ch, "q", nil)
		if err := ch.QueueBind("q", test.pattern, "x", false, nil); err != nil {
			t.Fatal(err)
		}
		if got := len(b.Publish("x", test.key, amqp.Publishing{})) == 1; got != test.want {
			t.Errorf("pattern %q, key %q: %t", test.pattern, test.key, got)
		}
		b.DeleteQueue("q")
	}
}

func TestExpiry(t *testing.T) {
	b, ch := start(t)
	declare(t, ch, "wait", amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueMessageTTLArg: int64(1000), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "back",
	})
	declare(t, ch, "back", nil)
	b.Publish("", "wait", amqp.Publishing{Body: []byte("long")})
	b.Publish("", "wait", amqp.Publishing{Body: []byte("short"), Expiration: "10"})
	b.Advance(500 * time.Millisecond)
	if got := bodies(b, "back"); len(got) > 0 {
		t.Errorf("%q expired behind one that still has time", got)
	}
	if wait, queue, ok := b.NextExpiry(); wait != 500*time.Millisecond || queue != "wait" || !ok {
		t.Errorf("next after %v in %q, %t", wait, queue, ok)
	}
	b.Advance(500 * time.Millisecond)
	if got := bodies(b, "back"); !slices.Equal(got, []string{"long", "short"}) {
		t.Errorf("%q are back", got)
	}
	if _, _, ok := b.NextExpiry(); ok {
		t.Error("something still expires")
	}
}

func TestRestart(t *testing.T) {
	b, ch := start(t)
	declare(t, ch, "classic", nil)
	declare(t, ch, "quorum", amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	if _, err := ch.QueueDeclare("transient", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"classic", "quorum", "transient"} {
		b.Publish("", name, amqp.Publishing{Body: []byte("kept"), DeliveryMode: amqp.Persistent})
		b.Publish("", name, amqp.Publishing{Body: []byte("not kept")})
	}
	if _, _, err := ch.Get("classic", false); err != nil { // it goes back
		t.Fatal(err)
	}
	b.Restart()
	if got := bodies(b, "classic"); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("classic queue has %q", got)
	}
	if got := bodies(b, "quorum"); !slices.Equal(got, []string{"kept", "not kept"}) {
		t.Errorf("quorum queue has %q", got)
	}
	if _, there := b.Queue("transient"); there {
		t.Error("a transient queue outlived the broker")
	}
}

func TestAnswers(t *testing.T) {
	b, ch := start(t)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	declare(t, ch, "q", nil)
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	publish := func(key string) *amqp.DeferredConfirmation {
		t.Helper()
		promise, err := ch.PublishWithDeferredConfirm("", key, true, false, amqp.Publishing{Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		return promise
	}
	if !publish("q").Wait() || len(returns) > 0 {
		t.Error("a stored message: want a confirm and no return")
	}
	if !publish("none").Wait() || len(returns) != 1 {
		t.Error("a message that no queue takes: want a return before the confirm")
	}
	b.OnPublish(func(fakebroker.Published) fakebroker.Answer { return fakebroker.Refuse })
	if publish("q").Wait() {
		t.Error("a refused message is confirmed")
	}
	b.OnPublish(func(fakebroker.Published) fakebroker.Answer { return fakebroker.Hold })
	held := publish("q")
	for len(b.Published()) < 4 {
		time.Sleep(time.Millisecond)
	}
	if held.Acked() {
		t.Error("a held message is confirmed")
	}
	b.Release()
	if !held.Wait() {
		t.Error("a released message is not confirmed")
	}
	if got := len(bodies(b, "q")); got != 2 {
		t.Errorf("%d messages in the queue, want 2", got)
	}
}

// RabbitMQ 4.0 closes the connection when a quorum queue is consumed with the prefetch of a channel.
func TestQuorumQueuesHaveNoPrefetchOfAChannel(t *testing.T) {
	b, _ := start(t)
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the broker has closed it
	declare(t, channel(t, conn), "quorum", amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	declare(t, channel(t, conn), "classic", nil)
	ch := channel(t, conn)
	if err := ch.Qos(3, 0, true); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Consume("classic", "", false, false, false, false, nil); err != nil {
		t.Errorf("a classic queue: %v", err)
	}
	var refused *amqp.Error
	if _, err := ch.Consume("quorum", "", false, false, false, false, nil); !errors.As(err, &refused) || refused.Code != amqp.NotImplemented || !conn.IsClosed() {
		t.Errorf("a quorum queue: %v, connection closed %t; want code %d and a closed connection", err, conn.IsClosed(), amqp.NotImplemented)
	}
}

// RabbitMQ has had no immediate messages since 3.0, and closes the connection of their publisher.
func TestImmediateMessagesCloseTheConnection(t *testing.T) {
	b, _ := start(t)
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the broker has closed it
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	ch := channel(t, conn)
	declare(t, ch, "q", nil)
	if err := ch.PublishWithContext(t.Context(), "", "q", false, true, amqp.Publishing{Body: []byte("m")}); err != nil {
		t.Fatal(err)
	}
	if reason := <-closed; reason == nil || reason.Code != amqp.NotImplemented {
		t.Errorf("closed because of %v, want code %d", reason, amqp.NotImplemented)
	}
}

// One consumer gets the messages of a queue with a single active consumer. When it has gone, the next does.
func TestSingleActiveConsumer(t *testing.T) {
	b, _ := start(t)
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the broker ends after it
	declare(t, channel(t, conn), "q", amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.SingleActiveConsumerArg: true})
	var channels []*amqp.Channel
	var deliveries []<-chan amqp.Delivery
	for range 2 {
		ch := channel(t, conn)
		if err := ch.Qos(1, 0, false); err != nil {
			t.Fatal(err)
		}
		messages, err := ch.Consume("q", "", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		channels, deliveries = append(channels, ch), append(deliveries, messages)
	}
	for range 2 {
		b.Publish("", "q", amqp.Publishing{Body: []byte("m")})
	}
	first := <-deliveries[0]
	if q, _ := b.Queue("q"); len(q.Unsettled) != 1 {
		t.Errorf("%d messages are held, want 1: the second consumer waits", len(q.Unsettled))
	}
	if err := first.Ack(false); err != nil {
		t.Fatal(err)
	}
	<-deliveries[0]
	if err := channels[0].Close(); err != nil {
		t.Fatal(err)
	}
	if d := <-deliveries[1]; !d.Redelivered {
		t.Error("the second consumer got another message than the one that the first held")
	}
}

// RabbitMQ closes the connection of a client that bounds the bytes of its prefetch.
func TestPrefetchHasNoSize(t *testing.T) {
	b, _ := start(t)
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the broker has closed it
	var refused *amqp.Error
	if err := channel(t, conn).Qos(3, 1, false); !errors.As(err, &refused) || refused.Code != amqp.NotImplemented || !conn.IsClosed() {
		t.Errorf("%v, connection closed %t; want code %d and a closed connection", err, conn.IsClosed(), amqp.NotImplemented)
	}
}

func TestRefusals(t *testing.T) {
	b, _ := start(t)
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's
	declare(t, channel(t, conn), "q", nil)
	declare(t, channel(t, conn), "log", amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeStream})
	for name, test := range map[string]struct {
		code int
		do   func(*amqp.Channel) error
	}{
		"no such queue": {amqp.NotFound, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive("none", true, false, false, false, nil)
			return err
		}},
		"other arguments": {amqp.PreconditionFailed, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("q", true, false, false, false, amqp.Table{amqp.QueueMessageTTLArg: int64(1)})
			return err
		}},
		"a quorum queue that is not durable": {amqp.PreconditionFailed, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", false, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
			return err
		}},
		"a stream without a prefetch": {amqp.PreconditionFailed, func(ch *amqp.Channel) error {
			_, err := ch.Consume("log", "", false, false, false, false, nil)
			return err
		}},
	} {
		var refused *amqp.Error
		if err := test.do(channel(t, conn)); !errors.As(err, &refused) || refused.Code != test.code {
			t.Errorf("%s: %v, want code %d", name, err, test.code)
		}
	}
}
