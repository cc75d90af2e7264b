package fakebroker

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Answer is what the broker does with a message that a client publishes.
type Answer int

// The answers to a published message.
const (
	Store  Answer = iota // into the queues that it is routed to, and confirm it
	Refuse               // store nothing, and answer with a nack
	Lose                 // store nothing, and answer nothing
	Hold                 // store it, and confirm it when Release is called
)

// Message is a message as its publisher sent it.
type Message struct {
	amqp.Publishing
	Exchange, Key string
}

// Published is a message that a client has sent to the broker.
type Published struct {
	Message
	Connection string // name of the client's connection
	Mandatory  bool
	Confirms   bool     // the channel asked for confirms
	Queues     []string // that it was routed to, sorted
}

// Settlement is what a consumer did with a delivery.
type Settlement string

// The settlements.
const (
	Acked    Settlement = "acked"
	Requeued Settlement = "requeued" // given back by nack or reject
	Rejected Settlement = "rejected" // given up by nack or reject
)

// Settled is a delivery that a consumer has settled.
type Settled struct {
	Message
	Queue string
	How   Settlement
}

// QueueState describes a queue.
type QueueState struct {
	Name       string
	Type       string // classic, quorum or stream
	Durable    bool
	Arguments  amqp.Table
	Ready      []Message // that wait for delivery, the oldest first; all of a stream
	Unsettled  []Message // that consumers hold
	Consumers  int
	Prefetch   []int // of the consumers; 0 is without limit
	Deliveries int   // so far
}

// Broker is a running broker. All methods are safe for concurrent use.
type Broker struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu        sync.Mutex
	now       time.Duration // since the start, by the broker's own clock
	exchanges map[string]*exchange
	queues    map[string]*queue
	conns     map[*conn]bool
	answer    func(Published) Answer
	held      []func()      // confirms that wait for Release
	unblocked chan struct{} // nil while clients may publish; closed by Unblock
	published []Published
	settled   []Settled
	stored    uint64 // messages so far
	named     int    // queues that the broker has named
	closed    bool
}

// Start starts a broker on a free port of the loopback interface.
func Start() (*Broker, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return nil, fmt.Errorf("start fake broker: %w", err)
	}
	b := &Broker{listener: listener, exchanges: standardExchanges(), queues: make(map[string]*queue), conns: make(map[*conn]bool)}
	b.serving.Go(b.accept)
	return b, nil
}

// URL is the broker's address for clients.
func (b *Broker) URL() string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword("guest", "guest"), Host: b.listener.Addr().String(), Path: "/"}
	return u.String()
}

// Close ends the broker and all connections to it.
func (b *Broker) Close() error {
	err := b.listener.Close()
	b.mu.Lock()
	b.closed = true
	b.hangUp(func(*conn) bool { return true })
	b.unblock()
	b.mu.Unlock()
	b.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (b *Broker) accept() {
	for {
		raw, err := b.listener.Accept()
		if err != nil {
			return
		}
		c := newConn(b, raw)
		b.mu.Lock()
		if b.closed {
			_ = raw.Close()
		} else {
			b.conns[c] = true
			b.serving.Go(c.serve)
			b.serving.Go(c.write)
		}
		b.mu.Unlock()
	}
}

// Advance moves the broker's clock. Messages whose time to live is over leave their queues.
func (b *Broker) Advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now += d
	b.pump()
}

// OnPublish has answer decide about each message from now on; nil stores all. It is called with
// the broker locked, so it must not call the broker.
func (b *Broker) OnPublish(answer func(Published) Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// Release confirms the messages that were held.
func (b *Broker) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, confirm := range b.held {
		confirm()
	}
	b.held = nil
}

// Block stops reading from each connection that publishes from now on, as a broker that is short
// of memory does. Such a connection is told that it is blocked.
func (b *Broker) Block() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unblocked == nil {
		b.unblocked = make(chan struct{})
	}
}

// Unblock ends Block.
func (b *Broker) Unblock() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unblock()
}

func (b *Broker) unblock() {
	if b.unblocked == nil {
		return
	}
	close(b.unblocked)
	b.unblocked = nil
	for c := range b.conns {
		if c.told {
			c.told = false
			c.method(0, connectionUnblocked, &writer{})
		}
	}
}

// Pause stops deliveries from a queue after so many more. Resume continues them.
func (b *Broker) Pause(queue string, after int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[queue]; q != nil {
		q.pauseAt = q.delivered + after
		q.pauses = true
	}
}

// Resume ends Pause.
func (b *Broker) Resume(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[queue]; q != nil {
		q.pauses = false
	}
	b.pump()
}

// Drop closes the connections with that name without a close frame, as the loss of the client's machine
// or of the network does. An empty name drops all. The messages that their consumers hold go back.
func (b *Broker) Drop(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hangUp(func(c *conn) bool { return name == "" || c.name == name })
}

// Restart drops all connections. It drops exchanges and queues that are not durable, and messages in
// classic queues that are not persistent.
func (b *Broker) Restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hangUp(func(*conn) bool { return true })
	maps.DeleteFunc(b.exchanges, func(_ string, e *exchange) bool { return !e.durable })
	for name, q := range b.queues {
		if !q.durable {
			b.deleteQueue(name)
			continue
		}
		if q.kind() == classic {
			q.ready = slices.DeleteFunc(q.ready, func(m *stored) bool { return m.DeliveryMode != amqp.Persistent })
		}
	}
	for _, e := range b.exchanges { // bindings of or to something that is gone
		e.bindings = slices.DeleteFunc(e.bindings, func(to binding) bool {
			if to.exchange {
				return b.exchanges[to.destination] == nil
			}
			return b.queues[to.destination] == nil
		})
	}
}

// hangUp closes connections, and gives back what their consumers hold.
func (b *Broker) hangUp(which func(*conn) bool) {
	for c := range b.conns {
		if which(c) {
			c.end()
			_ = c.raw.Close()
		}
	}
	b.pump()
}

// Published returns all messages that clients have published, in order.
func (b *Broker) Published() []Published {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.published)
}

// Settled returns all deliveries that consumers have settled, in order.
func (b *Broker) Settled() []Settled {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.settled)
}

// Connections returns the names of the open connections, sorted.
func (b *Broker) Connections() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for c := range b.conns {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}

// Channels returns how many channels are open on the connections with that name.
func (b *Broker) Channels(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for c := range b.conns {
		if c.name == name {
			n += len(c.channels)
		}
	}
	return n
}

// Queue describes a queue. It reports false if the broker has no queue of that name.
func (b *Broker) Queue(name string) (QueueState, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[name]
	if q == nil {
		return QueueState{}, false
	}
	return b.describe(q), true
}

// Queues describes all queues, sorted by name.
func (b *Broker) Queues() []QueueState {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []QueueState
	for _, name := range slices.Sorted(maps.Keys(b.queues)) {
		all = append(all, b.describe(b.queues[name]))
	}
	return all
}

func (b *Broker) describe(q *queue) QueueState {
	s := QueueState{
		Name: q.name, Type: q.kind(), Durable: q.durable, Arguments: maps.Clone(q.arguments),
		Consumers: len(q.consumers), Deliveries: q.delivered,
	}
	for _, m := range q.ready {
		s.Ready = append(s.Ready, m.Message)
	}
	for _, c := range q.consumers {
		s.Prefetch = append(s.Prefetch, c.prefetch)
	}
	for c := range b.conns {
		for _, ch := range c.channels {
			for _, d := range ch.unsettled {
				if d.queue == q {
					s.Unsettled = append(s.Unsettled, d.message.Message)
				}
			}
		}
	}
	return s
}

// Exchange returns the type of an exchange, such as topic, and whether it outlives the broker. It
// reports false if the broker has no exchange of that name.
func (b *Broker) Exchange(name string) (kind string, durable, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.exchanges[name]
	if e == nil {
		return "", false, false
	}
	return e.kind, e.durable, true
}

// Publish puts a message in, as a client of another program would. It returns the queues that the
// message went to, sorted.
func (b *Broker) Publish(exchange, key string, m amqp.Publishing) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	message := Message{Publishing: m, Exchange: exchange, Key: key}
	routed := b.route(exchange, key)
	b.store(message, routed)
	b.pump()
	return names(routed)
}

// DeclareExchange declares a durable exchange.
func (b *Broker) DeclareExchange(name, kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.exchanges[name] == nil {
		b.exchanges[name] = &exchange{kind: kind, durable: true}
	}
}

// NextExpiry returns how far the clock must move until the next message expires, and the queue that
// it waits in. It reports false if none does.
func (b *Broker) NextExpiry() (after time.Duration, queue string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := never
	for name, q := range b.queues {
		if q.kind() != stream && len(q.ready) > 0 && q.ready[0].expires < next {
			next, queue = q.ready[0].expires, name
		}
	}
	return next - b.now, queue, next < never
}

// Bind binds a queue to an exchange. If the broker has no such queue, Bind declares one, durable and
// of type classic.
func (b *Broker) Bind(queue, key, exchange string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queues[queue] == nil {
		b.queues[queue] = newQueue(queue, true, nil)
	}
	if e := b.exchanges[exchange]; e != nil {
		e.bind(binding{destination: queue, key: key})
	}
}

// DeleteQueue deletes a queue with its messages and bindings.
func (b *Broker) DeleteQueue(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleteQueue(name)
}

// Purge deletes the waiting messages of a queue.
func (b *Broker) Purge(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[queue]; q != nil {
		q.ready = nil
	}
}
