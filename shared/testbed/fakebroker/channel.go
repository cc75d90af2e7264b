package fakebroker

import (
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// channel is a channel of a connection. The broker's lock guards it.
type channel struct {
	id     uint16
	conn   *conn
	closed bool

	prefetch  int  // of the consumers to come
	limit     int  // of all consumers together
	confirms  bool // the client asked for confirms
	sent      uint64
	delivered uint64
	consumers map[string]*consumer
	unsettled map[uint64]delivery // by delivery tag

	incoming *incoming
}

func refuse(code uint16, method uint32, format string, args ...any) error {
	return &protocolError{code: code, text: fmt.Sprintf(format, args...), method: method, channel: true}
}

// end removes the consumers, and gives back what they hold, the oldest first.
func (ch *channel) end() {
	for _, c := range ch.consumers {
		ch.remove(c)
	}
	clear(ch.consumers)
	ch.giveBackAll()
}

func (ch *channel) giveBackAll() {
	for _, tag := range slices.Sorted(maps.Keys(ch.unsettled)) {
		d := ch.unsettled[tag]
		ch.forget(tag)
		ch.conn.broker.giveBack(d)
	}
}

func (ch *channel) forget(tag uint64) {
	if d, ok := ch.unsettled[tag]; ok && d.consumer != nil {
		d.consumer.holds--
	}
	delete(ch.unsettled, tag)
}

func (ch *channel) remove(c *consumer) {
	q := c.queue
	q.consumers = slices.DeleteFunc(q.consumers, func(other *consumer) bool { return other == c })
	if q.autoDelete && len(q.consumers) == 0 {
		ch.conn.broker.deleteQueue(q.name)
	}
}

func (ch *channel) full() bool { return ch.limit > 0 && len(ch.unsettled) >= ch.limit }

// reply sends a method unless the client wants no answer.
func (ch *channel) reply(noWait bool, method uint32, fill func(*writer)) {
	if noWait {
		return
	}
	var w writer
	if fill != nil {
		fill(&w)
	}
	ch.conn.method(ch.id, method, &w)
}

func (ch *channel) method(method uint32, r *reader) error {
	if ch.closed {
		switch method {
		case channelCloseOk:
			delete(ch.conn.channels, ch.id)
		case channelClose:
			ch.reply(false, channelCloseOk, nil)
			delete(ch.conn.channels, ch.id)
		}
		return nil
	}
	switch method {
	case channelClose:
		ch.end()
		delete(ch.conn.channels, ch.id)
		ch.reply(false, channelCloseOk, nil)
		return nil
	case channelFlow:
		active := r.bit()
		ch.reply(false, channelFlowOk, func(w *writer) { w.bit(active) })
		return r.err
	case confirmSelect:
		ch.confirms = true
		ch.reply(r.bit(), confirmSelectOk, nil)
		return r.err
	}
	switch method >> 16 {
	case 40:
		return ch.exchange(method, r)
	case 50:
		return ch.queue(method, r)
	case 60:
		return ch.basic(method, r)
	}
	return &protocolError{code: amqp.NotImplemented, text: "not in this fake broker", method: method}
}

func (ch *channel) basic(method uint32, r *reader) error {
	switch method {
	case basicQos:
		if size := r.long(); size != 0 {
			return &protocolError{code: amqp.NotImplemented, text: fmt.Sprintf("NOT_IMPLEMENTED - prefetch_size!=0 (%d)", size), method: basicQos}
		}
		count := int(r.short())
		if r.bit() {
			ch.limit = count
		} else {
			ch.prefetch = count
		}
		ch.reply(false, basicQosOk, nil)
	case basicConsume:
		return ch.consume(r)
	case basicCancel:
		tag := r.shortstr()
		noWait := r.bit()
		if c := ch.consumers[tag]; c != nil {
			delete(ch.consumers, tag)
			ch.remove(c)
		}
		ch.reply(noWait, basicCancelOk, func(w *writer) { w.shortstr(tag) })
	case basicPublish:
		r.short()
		in := &incoming{}
		in.Exchange, in.Key = r.shortstr(), r.shortstr()
		in.mandatory = r.bit()
		if r.bit() {
			return &protocolError{code: amqp.NotImplemented, text: "NOT_IMPLEMENTED - immediate=true", method: method}
		}
		ch.incoming = in
	case basicGet:
		return ch.get(r)
	case basicAck:
		tag := r.longlong()
		return ch.settle(method, tag, r.bit(), Acked)
	case basicReject:
		tag := r.longlong()
		return ch.settle(method, tag, false, given(r.bit()))
	case basicNack:
		tag := r.longlong()
		multiple := r.bit()
		return ch.settle(method, tag, multiple, given(r.bit()))
	case basicRecover:
		ch.giveBackAll()
		ch.reply(false, basicRecoverOk, nil)
	default:
		return &protocolError{code: amqp.NotImplemented, text: "method of basic", method: method}
	}
	return r.err
}
