package fakebroker

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The types of queues.
const (
	classic = "classic"
	quorum  = "quorum"
	stream  = "stream"
)

// deliveryLimit is how often a quorum queue takes a message back unless it declares its own limit.
const deliveryLimit = 20

// never is the time at which a message without a time to live expires.
const never = time.Duration(1<<63 - 1)

// exchange hands messages to the queues and exchanges that are bound to it.
type exchange struct {
	kind      string
	durable   bool
	arguments amqp.Table
	bindings  []binding
}

// binding leads from an exchange to a queue or another exchange.
type binding struct {
	exchange    bool // the destination is one
	destination string
	key         string
}

func standardExchanges() map[string]*exchange {
	return map[string]*exchange{
		"":           {kind: amqp.ExchangeDirect, durable: true},
		"amq.direct": {kind: amqp.ExchangeDirect, durable: true},
		"amq.fanout": {kind: amqp.ExchangeFanout, durable: true},
		"amq.topic":  {kind: amqp.ExchangeTopic, durable: true},
	}
}

func (e *exchange) bind(to binding) {
	if !slices.Contains(e.bindings, to) {
		e.bindings = append(e.bindings, to)
	}
}

func (e *exchange) unbind(from binding) {
	e.bindings = slices.DeleteFunc(e.bindings, func(b binding) bool { return b == from })
}

// takes reports whether a message with the key goes by the binding.
func (e *exchange) takes(b binding, key string) bool {
	switch e.kind {
	case amqp.ExchangeFanout:
		return true
	case amqp.ExchangeTopic:
		return matches(strings.Split(b.key, "."), strings.Split(key, "."))
	default:
		return b.key == key
	}
}

// matches reports whether the words of a routing key match a pattern: * is one word, # any number.
func matches(pattern, words []string) bool {
	switch {
	case len(pattern) == 0:
		return len(words) == 0
	case pattern[0] == "#":
		return matches(pattern[1:], words) || len(words) > 0 && matches(pattern, words[1:])
	case len(words) == 0:
		return false
	default:
		return (pattern[0] == "*" || pattern[0] == words[0]) && matches(pattern[1:], words[1:])
	}
}

// route returns the queues that a message goes to, each once.
func (b *Broker) route(name, key string) []*queue {
	found := make(map[*queue]bool)
	seen := make(map[string]bool)
	var visit func(string)
	visit = func(name string) {
		e := b.exchanges[name]
		if e == nil || seen[name] {
			return
		}
		seen[name] = true
		if name == "" {
			if q := b.queues[key]; q != nil {
				found[q] = true
			}
			return
		}
		for _, to := range e.bindings {
			switch {
			case !e.takes(to, key):
			case to.exchange:
				visit(to.destination)
			case b.queues[to.destination] != nil:
				found[b.queues[to.destination]] = true
			}
		}
	}
	visit(name)
	return slices.SortedFunc(maps.Keys(found), func(a, b *queue) int { return strings.Compare(a.name, b.name) })
}

func names(queues []*queue) []string {
	var all []string
	for _, q := range queues {
		all = append(all, q.name)
	}
	return all
}

// stored is a message in a queue.
type stored struct {
	Message
	number   uint64 // in the order of arrival
	returned int    // how often it came back unsettled
	expires  time.Duration
}

// queue keeps messages. A stream keeps all in ready.
type queue struct {
	name       string
	durable    bool
	owner      *conn // of an exclusive queue
	autoDelete bool
	arguments  amqp.Table

	ready     []*stored // by number
	consumers []*consumer
	turn      int // the consumer that is next
	delivered int
	pauses    bool // deliveries stop at pauseAt
	pauseAt   int
}

func newQueue(name string, durable bool, arguments amqp.Table) *queue {
	return &queue{name: name, durable: durable, arguments: arguments}
}

func (q *queue) kind() string {
	if kind, ok := q.arguments[amqp.QueueTypeArg].(string); ok {
		return kind
	}
	return classic
}

func (q *queue) text(argument string) (string, bool) {
	value, ok := q.arguments[argument].(string)
	return value, ok
}

func (q *queue) number(argument string) (int64, bool) { return integer(q.arguments[argument]) }

func integer(value any) (int64, bool) {
	switch n := value.(type) {
	case int8:
		return int64(n), true
	case byte:
		return int64(n), true
	case int16:
		return int64(n), true
	case uint16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint32:
		return int64(n), true
	case int64:
		return n, true
	default:
		return 0, false
	}
}

// consumer takes messages out of a queue.
type consumer struct {
	tag      string
	channel  *channel
	queue    *queue
	noAck    bool
	prefetch int // 0 is without limit
	holds    int // messages that are not settled
	offset   int // in a stream, the next message
}

// delivery is a message that a consumer has not settled.
type delivery struct {
	message  *stored
	queue    *queue
	consumer *consumer // nil for a message that was fetched by basic.get
}

// store puts a message into queues.
func (b *Broker) store(m Message, queues []*queue) {
	for _, q := range queues {
		b.stored++
		s := &stored{Message: m, number: b.stored, expires: never}
		if ttl, ok := q.number(amqp.QueueMessageTTLArg); ok {
			s.expires = b.now + time.Duration(ttl)*time.Millisecond
		}
		if ms, err := strconv.ParseInt(m.Expiration, 10, 64); err == nil {
			s.expires = min(s.expires, b.now+time.Duration(ms)*time.Millisecond)
		}
		q.ready = append(q.ready, s)
	}
}

// giveBack puts an unsettled message back at its old place. A message that came back too often is
// given up.
func (b *Broker) giveBack(d delivery) {
	if d.queue.kind() == stream || b.queues[d.queue.name] != d.queue {
		return
	}
	d.message.returned++
	limit, ok := d.queue.number("x-delivery-limit")
	if !ok {
		limit = deliveryLimit
	}
	if d.queue.kind() == quorum && limit >= 0 && int64(d.message.returned) > limit {
		b.giveUp(d.queue, d.message, "delivery_limit")
		return
	}
	at, _ := slices.BinarySearchFunc(d.queue.ready, d.message.number, func(m *stored, number uint64) int {
		return int(m.number) - int(number) //nolint:gosec // far below the largest
	})
	d.queue.ready = slices.Insert(d.queue.ready, at, d.message)
}

// giveUp sends a message to the queue's dead-letter exchange. Without one it is dropped.
func (b *Broker) giveUp(q *queue, s *stored, reason string) {
	exchange, ok := q.text("x-dead-letter-exchange")
	if !ok {
		return
	}
	m := s.Message
	m.Exchange = exchange
	if key, ok := q.text("x-dead-letter-routing-key"); ok {
		m.Key = key
	}
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = amqp.Table{}
	}
	death := amqp.Table{"queue": q.name, "reason": reason, "exchange": s.Exchange, "routing-keys": []any{s.Key}, "count": int64(1)}
	deaths, _ := m.Headers["x-death"].([]any)
	m.Headers["x-death"] = append([]any{death}, deaths...)
	if _, ok := m.Headers["x-first-death-queue"]; !ok {
		m.Headers["x-first-death-queue"], m.Headers["x-first-death-reason"] = q.name, reason
	}
	m.Expiration = "" // else it would expire again at once
	b.store(m, b.route(exchange, m.Key))
}

// pump lets messages expire, and delivers until no consumer takes more.
func (b *Broker) pump() {
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(b.queues)) {
			q := b.queues[name]
			if q != nil && (b.expire(q) || b.deliver(q)) {
				again = true
			}
		}
	}
}

// expire gives up the messages at the head of a queue whose time is over. Messages behind one that
// still has time stay.
func (b *Broker) expire(q *queue) (any bool) {
	for q.kind() != stream && len(q.ready) > 0 && q.ready[0].expires <= b.now {
		head := q.ready[0]
		q.ready = q.ready[1:]
		b.giveUp(q, head, "expired")
		any = true
	}
	return any
}

// deliver hands out the messages of a queue, in turn to its consumers that may hold more.
func (b *Broker) deliver(q *queue) (any bool) {
	for !q.pauses || q.delivered < q.pauseAt {
		c := q.next()
		if c == nil {
			return any
		}
		var s *stored
		if q.kind() == stream {
			s = q.ready[c.offset]
			c.offset++
		} else {
			s = q.ready[0]
			q.ready = q.ready[1:]
		}
		q.delivered++
		c.channel.deliver(c, s)
		any = true
	}
	return any
}

// next returns a consumer that takes a message now, or nil.
func (q *queue) next() *consumer {
	single, _ := q.arguments[amqp.SingleActiveConsumerArg].(bool)
	for i := range q.consumers {
		if single && i > 0 {
			return nil // the others wait until the first has gone
		}
		c := q.consumers[(q.turn+i)%len(q.consumers)]
		full := c.prefetch > 0 && c.holds >= c.prefetch || c.channel.full()
		empty := len(q.ready) == 0
		if q.kind() == stream {
			empty = c.offset >= len(q.ready)
		}
		if !full && !empty {
			if !single {
				q.turn = (q.turn + i + 1) % len(q.consumers)
			}
			return c
		}
	}
	return nil
}

func (b *Broker) deleteQueue(name string) {
	q := b.queues[name]
	if q == nil {
		return
	}
	delete(b.queues, name)
	for _, c := range q.consumers {
		delete(c.channel.consumers, c.tag)
		var w writer
		w.shortstr(c.tag)
		w.bit(true) // no answer wanted
		c.channel.conn.method(c.channel.id, basicCancel, &w)
	}
	for _, e := range b.exchanges {
		e.bindings = slices.DeleteFunc(e.bindings, func(to binding) bool { return !to.exchange && to.destination == name })
	}
}
