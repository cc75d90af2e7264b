package fakebroker

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const classBasic = 60

// The methods of the protocol, as class and number.
const (
	connectionStart     = 10<<16 | 10
	connectionStartOk   = 10<<16 | 11
	connectionTune      = 10<<16 | 30
	connectionTuneOk    = 10<<16 | 31
	connectionOpen      = 10<<16 | 40
	connectionOpenOk    = 10<<16 | 41
	connectionClose     = 10<<16 | 50
	connectionCloseOk   = 10<<16 | 51
	connectionBlocked   = 10<<16 | 60
	connectionUnblocked = 10<<16 | 61

	channelOpen    = 20<<16 | 10
	channelOpenOk  = 20<<16 | 11
	channelFlow    = 20<<16 | 20
	channelFlowOk  = 20<<16 | 21
	channelClose   = 20<<16 | 40
	channelCloseOk = 20<<16 | 41

	exchangeDeclare   = 40<<16 | 10
	exchangeDeclareOk = 40<<16 | 11
	exchangeDelete    = 40<<16 | 20
	exchangeDeleteOk  = 40<<16 | 21
	exchangeBind      = 40<<16 | 30
	exchangeBindOk    = 40<<16 | 31
	exchangeUnbind    = 40<<16 | 40
	exchangeUnbindOk  = 40<<16 | 51

	queueDeclare   = 50<<16 | 10
	queueDeclareOk = 50<<16 | 11
	queueBind      = 50<<16 | 20
	queueBindOk    = 50<<16 | 21
	queuePurge     = 50<<16 | 30
	queuePurgeOk   = 50<<16 | 31
	queueDelete    = 50<<16 | 40
	queueDeleteOk  = 50<<16 | 41
	queueUnbind    = 50<<16 | 50
	queueUnbindOk  = 50<<16 | 51

	basicQos       = 60<<16 | 10
	basicQosOk     = 60<<16 | 11
	basicConsume   = 60<<16 | 20
	basicConsumeOk = 60<<16 | 21
	basicCancel    = 60<<16 | 30
	basicCancelOk  = 60<<16 | 31
	basicPublish   = 60<<16 | 40
	basicReturn    = 60<<16 | 50
	basicDeliver   = 60<<16 | 60
	basicGet       = 60<<16 | 70
	basicGetOk     = 60<<16 | 71
	basicGetEmpty  = 60<<16 | 72
	basicAck       = 60<<16 | 80
	basicReject    = 60<<16 | 90
	basicRecover   = 60<<16 | 110
	basicRecoverOk = 60<<16 | 111
	basicNack      = 60<<16 | 120

	confirmSelect   = 85<<16 | 10
	confirmSelectOk = 85<<16 | 11
)

// heartbeat is how often the broker sends a sign of life. Clients expect one every few seconds.
const heartbeat = time.Second

// conn is a connection of a client.
type conn struct {
	broker *Broker
	raw    net.Conn

	// The broker's lock guards the rest.
	name     string
	channels map[uint16]*channel
	told     bool // that the connection is blocked
	ended    bool

	// out has a lock of its own, so that a client that reads nothing holds up no other.
	mu      sync.Mutex
	out     []byte
	more    chan struct{} // has a value when out is not empty
	closing chan struct{} // closed when the connection ends
}

func newConn(b *Broker, raw net.Conn) *conn {
	return &conn{
		broker: b, raw: raw, channels: make(map[uint16]*channel),
		more: make(chan struct{}, 1), closing: make(chan struct{}),
	}
}

// send queues frames for the client.
func (c *conn) send(frames ...frame) {
	c.mu.Lock()
	for _, f := range frames {
		c.out = append(c.out, f.bytes()...)
	}
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *conn) method(channel uint16, method uint32, arguments *writer) {
	c.send(methodOf(channel, method, arguments))
}

func methodOf(channel uint16, method uint32, arguments *writer) frame {
	var w writer
	w.long(method)
	return frame{methodFrame, channel, append(w.data, arguments.data...)}
}

// write sends the queued frames until the connection ends.
func (c *conn) write() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-c.more:
		case <-ticker.C:
			c.send(frame{kind: heartbeatFrame})
		case <-c.closing:
			c.flush() // such as the answer to a close
			_ = c.raw.Close()
			return
		}
		if !c.flush() {
			_ = c.raw.Close() // ends serve too
		}
	}
}

func (c *conn) flush() bool {
	c.mu.Lock()
	out := c.out
	c.out = nil
	c.mu.Unlock()
	_ = c.raw.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err := c.raw.Write(out)
	return err == nil
}

// end closes the connection and gives back what its consumers hold. The broker is locked.
func (c *conn) end() {
	if c.ended {
		return
	}
	c.ended = true
	delete(c.broker.conns, c)
	for _, ch := range c.channels {
		ch.end()
	}
	for name, q := range c.broker.queues {
		if q.owner == c {
			c.broker.deleteQueue(name)
		}
	}
	close(c.closing)
}

// serve reads frames until the connection ends.
func (c *conn) serve() {
	in := bufio.NewReader(c.raw)
	if _, err := in.Discard(len("AMQP\x00\x00\x09\x01")); err == nil {
		var w writer
		w.octet(0)
		w.octet(9)
		w.table(amqp.Table{"product": "fakebroker", "version": "4.0.0"})
		w.longstr([]byte("PLAIN"))
		w.longstr([]byte("en_US"))
		c.method(0, connectionStart, &w)
		err = c.read(in)
		var protocol *protocolError
		if errors.As(err, &protocol) {
			c.method(0, connectionClose, protocol.arguments())
		}
	}
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.end()
	c.broker.pump()
}

// protocolError ends a channel, or the whole connection.
type protocolError struct {
	code    uint16
	text    string
	method  uint32
	channel bool // ends only the channel
}

func (e *protocolError) Error() string { return fmt.Sprintf("%d %s", e.code, e.text) }

func (e *protocolError) arguments() *writer {
	var w writer
	w.short(e.code)
	w.shortstr(e.text)
	w.long(e.method)
	return &w
}

// errClosed means that the client has closed the connection.
var errClosed = errors.New("closed by the client")

func (c *conn) read(in *bufio.Reader) error {
	for {
		f, err := readFrame(in)
		if err != nil {
			return err
		}
		if f.kind == heartbeatFrame {
			continue
		}
		c.waitWhileBlocked(f)
		c.broker.mu.Lock()
		if c.ended {
			c.broker.mu.Unlock()
			return errClosed
		}
		err = c.handle(f)
		c.broker.pump()
		c.broker.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// waitWhileBlocked reads no further while the broker takes no messages and the client sends one.
func (c *conn) waitWhileBlocked(f frame) {
	if f.kind != methodFrame || (&reader{data: f.payload}).long() != basicPublish {
		return
	}
	c.broker.mu.Lock()
	unblocked := c.broker.unblocked
	if unblocked != nil && !c.told {
		c.told = true
		var w writer
		w.shortstr("low on memory")
		c.method(0, connectionBlocked, &w)
	}
	c.broker.mu.Unlock()
	if unblocked == nil {
		return
	}
	select {
	case <-unblocked:
	case <-c.closing:
	}
}

// handle handles a frame. The broker is locked.
func (c *conn) handle(f frame) error {
	if f.channel == 0 {
		return c.control(f)
	}
	ch := c.channels[f.channel]
	var err error
	switch r := (reader{data: f.payload}); {
	case f.kind == methodFrame && ch == nil:
		if method := r.long(); method != channelOpen {
			return &protocolError{code: amqp.ChannelError, text: "channel is not open", method: method}
		}
		c.channels[f.channel] = &channel{
			id: f.channel, conn: c, consumers: make(map[string]*consumer), unsettled: make(map[uint64]delivery),
		}
		var w writer
		w.longstr(nil)
		c.method(f.channel, channelOpenOk, &w)
		return nil
	case ch == nil:
		return nil
	case f.kind == methodFrame:
		err = ch.method(r.long(), &r)
	case f.kind == headerFrame:
		err = ch.header(f.payload)
	case f.kind == bodyFrame:
		err = ch.body(f.payload)
	}
	var protocol *protocolError
	if errors.As(err, &protocol) && protocol.channel {
		ch.end()
		ch.closed = true // ignores all but the client's answer
		c.method(ch.id, channelClose, protocol.arguments())
		return nil
	}
	return err
}

// control handles the methods of the connection itself.
func (c *conn) control(f frame) error {
	r := reader{data: f.payload}
	switch method := r.long(); method {
	case connectionStartOk:
		c.name, _ = r.table()["connection_name"].(string)
		var w writer
		w.short(0) // any number of channels
		w.long(maxFrame)
		w.short(0) // the client decides about heartbeats
		c.method(0, connectionTune, &w)
	case connectionTuneOk:
	case connectionOpen:
		var w writer
		w.shortstr("")
		c.method(0, connectionOpenOk, &w)
	case connectionClose:
		c.method(0, connectionCloseOk, &writer{})
		return errClosed
	case connectionCloseOk:
		return errClosed
	default:
		return &protocolError{code: amqp.NotImplemented, text: "method of a connection", method: method}
	}
	return r.err
}
