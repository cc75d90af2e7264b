package fakebroker

import (
	"fmt"
	"maps"
	"reflect"
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

// incoming is a message whose frames have not all come.
type incoming struct {
	Message
	mandatory bool
	size      uint64
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

func (ch *channel) exchange(method uint32, r *reader) error {
	b := ch.conn.broker
	r.short()
	switch method {
	case exchangeDeclare:
		name, kind := r.shortstr(), r.shortstr()
		passive, durable := r.bit(), r.bit()
		r.bit() // auto-delete
		r.bit() // internal
		noWait := r.bit()
		arguments := r.table()
		switch e := b.exchanges[name]; {
		case r.err != nil:
			return r.err
		case e == nil && passive:
			return refuse(amqp.NotFound, method, "NOT_FOUND - no exchange '%s'", name)
		case e == nil && kind == amqp.ExchangeHeaders:
			return refuse(amqp.NotImplemented, method, "NOT_IMPLEMENTED - headers exchanges in this fake broker")
		case e == nil:
			b.exchanges[name] = &exchange{kind: kind, durable: durable, arguments: arguments}
		case !passive && (e.kind != kind || e.durable != durable):
			return refuse(amqp.PreconditionFailed, method, "PRECONDITION_FAILED - inequivalent arg for exchange '%s'", name)
		}
		ch.reply(noWait, exchangeDeclareOk, nil)
	case exchangeDelete:
		name := r.shortstr()
		r.bit() // if unused
		delete(b.exchanges, name)
		ch.reply(r.bit(), exchangeDeleteOk, nil)
	case exchangeBind, exchangeUnbind:
		destination, source, key := r.shortstr(), r.shortstr(), r.shortstr()
		noWait := r.bit()
		e := b.exchanges[source]
		if e == nil || b.exchanges[destination] == nil {
			return refuse(amqp.NotFound, method, "NOT_FOUND - no exchange '%s' or '%s'", source, destination)
		}
		to := binding{exchange: true, destination: destination, key: key}
		if method == exchangeBind {
			e.bind(to)
			ch.reply(noWait, exchangeBindOk, nil)
		} else {
			e.unbind(to)
			ch.reply(noWait, exchangeUnbindOk, nil)
		}
	default:
		return &protocolError{code: amqp.NotImplemented, text: "method of an exchange", method: method}
	}
	return r.err
}

func (ch *channel) queue(method uint32, r *reader) error {
	b := ch.conn.broker
	r.short()
	name := r.shortstr()
	if method == queueDeclare {
		return ch.declareQueue(name, r)
	}
	q := b.queues[name]
	if q == nil && method != queueDelete && method != queueUnbind {
		return refuse(amqp.NotFound, method, "NOT_FOUND - no queue '%s'", name)
	}
	switch method {
	case queueBind, queueUnbind:
		source, key := r.shortstr(), r.shortstr()
		noWait := false
		if method == queueBind {
			noWait = r.bit()
		}
		e := b.exchanges[source]
		if e == nil {
			return refuse(amqp.NotFound, method, "NOT_FOUND - no exchange '%s'", source)
		}
		to := binding{destination: name, key: key}
		if method == queueBind {
			e.bind(to)
			ch.reply(noWait, queueBindOk, nil)
		} else {
			e.unbind(to)
			ch.reply(false, queueUnbindOk, nil)
		}
	case queuePurge:
		n := len(q.ready)
		q.ready = nil
		ch.reply(r.bit(), queuePurgeOk, func(w *writer) { w.long(uint32(n)) }) //nolint:gosec // far below 4 billion
	case queueDelete:
		r.bit() // if unused
		r.bit() // if empty
		n := 0
		if q != nil {
			n = len(q.ready)
			b.deleteQueue(name)
		}
		ch.reply(r.bit(), queueDeleteOk, func(w *writer) { w.long(uint32(n)) }) //nolint:gosec // far below 4 billion
	default:
		return &protocolError{code: amqp.NotImplemented, text: "method of a queue", method: method}
	}
	return r.err
}

func (ch *channel) declareQueue(name string, r *reader) error {
	b := ch.conn.broker
	passive, durable, exclusive, autoDelete, noWait := r.bit(), r.bit(), r.bit(), r.bit(), r.bit()
	arguments := r.table()
	if r.err != nil {
		return r.err
	}
	if name == "" {
		b.named++
		name = fmt.Sprintf("amq.gen-%d", b.named)
	}
	q := b.queues[name]
	switch {
	case q == nil && passive:
		return refuse(amqp.NotFound, queueDeclare, "NOT_FOUND - no queue '%s'", name)
	case q == nil:
		fresh := newQueue(name, durable, arguments)
		fresh.autoDelete = autoDelete
		if exclusive {
			fresh.owner = ch.conn
		}
		if err := fresh.validate(exclusive); err != nil {
			return err
		}
		b.queues[name], q = fresh, fresh
	case q.owner != nil && q.owner != ch.conn:
		return refuse(amqp.ResourceLocked, queueDeclare, "RESOURCE_LOCKED - queue '%s' is exclusive", name)
	case !passive && (q.durable != durable || q.autoDelete != autoDelete || !sameArguments(q.arguments, arguments)):
		return refuse(amqp.PreconditionFailed, queueDeclare, "PRECONDITION_FAILED - inequivalent arg for queue '%s'", name)
	}
	ch.reply(noWait, queueDeclareOk, func(w *writer) {
		w.shortstr(name)
		w.long(uint32(len(q.ready)))     //nolint:gosec // far below 4 billion
		w.long(uint32(len(q.consumers))) //nolint:gosec // far below 4 billion
	})
	return nil
}

// validate returns an error for a declaration that RabbitMQ refuses.
func (q *queue) validate(exclusive bool) error {
	kind := q.kind()
	switch {
	case kind != classic && kind != quorum && kind != stream:
		return refuse(amqp.PreconditionFailed, queueDeclare, "PRECONDITION_FAILED - invalid queue type '%s'", kind)
	case kind != classic && (!q.durable || exclusive || q.autoDelete):
		return refuse(amqp.PreconditionFailed, queueDeclare, "PRECONDITION_FAILED - a %s queue must be durable, and not exclusive or auto-delete", kind)
	}
	for _, name := range []string{amqp.QueueMessageTTLArg, "x-delivery-limit", amqp.StreamMaxLenBytesArg} {
		if value, there := q.arguments[name]; there {
			if _, ok := integer(value); !ok {
				return refuse(amqp.PreconditionFailed, queueDeclare, "PRECONDITION_FAILED - invalid arg '%s' for queue '%s'", name, q.name)
			}
		}
	}
	_, key := q.text("x-dead-letter-routing-key")
	_, exchange := q.text("x-dead-letter-exchange")
	if key && !exchange {
		return refuse(amqp.PreconditionFailed, queueDeclare, "PRECONDITION_FAILED - x-dead-letter-routing-key without x-dead-letter-exchange")
	}
	return nil
}

func sameArguments(a, b amqp.Table) bool {
	return maps.EqualFunc(a, b, func(a, b any) bool {
		n, isNumber := integer(a)
		m, alsoNumber := integer(b)
		if isNumber && alsoNumber {
			return n == m
		}
		return reflect.DeepEqual(a, b)
	})
}

func (ch *channel) basic(method uint32, r *reader) error {
	switch method {
	case basicQos:
		r.long() // size
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

func given(requeue bool) Settlement {
	if requeue {
		return Requeued
	}
	return Rejected
}

func (ch *channel) consume(r *reader) error {
	b := ch.conn.broker
	r.short()
	name, tag := r.shortstr(), r.shortstr()
	r.bit() // no local
	noAck, exclusive, noWait := r.bit(), r.bit(), r.bit()
	arguments := r.table()
	if r.err != nil {
		return r.err
	}
	q := b.queues[name]
	if q == nil {
		return refuse(amqp.NotFound, basicConsume, "NOT_FOUND - no queue '%s'", name)
	}
	if tag == "" {
		b.named++
		tag = fmt.Sprintf("amq.ctag-%d", b.named)
	}
	if ch.consumers[tag] != nil {
		return &protocolError{code: amqp.NotAllowed, text: "NOT_ALLOWED - attempt to reuse consumer tag '" + tag + "'", method: basicConsume}
	}
	if exclusive && len(q.consumers) > 0 {
		return refuse(amqp.AccessRefused, basicConsume, "ACCESS_REFUSED - queue '%s' in use", name)
	}
	if q.kind() == quorum && ch.limit > 0 {
		text := fmt.Sprintf("NOT_IMPLEMENTED - queue '%s' in vhost '/' does not support global qos", name)
		return &protocolError{code: amqp.NotImplemented, text: text, method: basicConsume}
	}
	c := &consumer{tag: tag, channel: ch, queue: q, noAck: noAck, prefetch: ch.prefetch}
	if q.kind() == stream {
		switch {
		case noAck:
			return refuse(amqp.NotImplemented, basicConsume, "NOT_IMPLEMENTED - a stream needs acknowledgements")
		case c.prefetch == 0:
			return refuse(amqp.PreconditionFailed, basicConsume, "PRECONDITION_FAILED - consumer prefetch count is not set for stream '%s'", name)
		}
		c.offset = offset(arguments["x-stream-offset"], len(q.ready))
	}
	ch.consumers[tag] = c
	q.consumers = append(q.consumers, c)
	ch.reply(noWait, basicConsumeOk, func(w *writer) { w.shortstr(tag) })
	return nil
}

// offset returns where a consumer of a stream begins.
func offset(argument any, length int) int {
	if n, ok := integer(argument); ok {
		return min(max(int(n), 0), length)
	}
	switch argument {
	case "first":
		return 0
	case "last":
		return max(length-1, 0)
	default:
		return length
	}
}

// publication returns a message in the form of a delivery.
func publication(s *stored, q *queue, position int) amqp.Publishing {
	p := s.Publishing
	if q.kind() == stream || s.returned > 0 {
		p.Headers = maps.Clone(p.Headers)
		if p.Headers == nil {
			p.Headers = amqp.Table{}
		}
		if q.kind() == stream {
			p.Headers["x-stream-offset"] = int64(position)
		} else if q.kind() == quorum {
			p.Headers["x-delivery-count"] = int64(s.returned)
		}
	}
	return p
}

func (ch *channel) deliver(c *consumer, s *stored) {
	ch.delivered++
	if !c.noAck {
		ch.unsettled[ch.delivered] = delivery{s, c.queue, c}
		c.holds++
	}
	var w writer
	w.shortstr(c.tag)
	w.longlong(ch.delivered)
	w.bit(s.returned > 0)
	w.shortstr(s.Exchange)
	w.shortstr(s.Key)
	frames := []frame{methodOf(ch.id, basicDeliver, &w)}
	ch.conn.send(append(frames, content(ch.id, publication(s, c.queue, c.offset-1))...)...)
}

func (ch *channel) get(r *reader) error {
	r.short()
	name := r.shortstr()
	noAck := r.bit()
	q := ch.conn.broker.queues[name]
	switch {
	case r.err != nil:
		return r.err
	case q == nil:
		return refuse(amqp.NotFound, basicGet, "NOT_FOUND - no queue '%s'", name)
	case q.kind() == stream:
		return refuse(amqp.NotImplemented, basicGet, "NOT_IMPLEMENTED - basic.get on a stream")
	case len(q.ready) == 0 || q.pauses && q.delivered >= q.pauseAt:
		ch.reply(false, basicGetEmpty, func(w *writer) { w.shortstr("") })
		return nil
	}
	s := q.ready[0]
	q.ready = q.ready[1:]
	q.delivered++
	ch.delivered++
	if !noAck {
		ch.unsettled[ch.delivered] = delivery{message: s, queue: q}
	}
	var w writer
	w.longlong(ch.delivered)
	w.bit(s.returned > 0)
	w.shortstr(s.Exchange)
	w.shortstr(s.Key)
	w.long(uint32(len(q.ready))) //nolint:gosec // far below 4 billion
	frames := []frame{methodOf(ch.id, basicGetOk, &w)}
	ch.conn.send(append(frames, content(ch.id, publication(s, q, 0))...)...)
	return nil
}

// settle settles one delivery, or all up to it.
func (ch *channel) settle(method uint32, tag uint64, multiple bool, how Settlement) error {
	b := ch.conn.broker
	var tags []uint64
	for _, t := range slices.Sorted(maps.Keys(ch.unsettled)) {
		if t == tag || multiple && (t < tag || tag == 0) {
			tags = append(tags, t)
		}
	}
	if len(tags) == 0 && (tag != 0 || !multiple) {
		return refuse(amqp.PreconditionFailed, method, "PRECONDITION_FAILED - unknown delivery tag %d", tag)
	}
	for _, t := range tags {
		d := ch.unsettled[t]
		ch.forget(t)
		b.settled = append(b.settled, Settled{d.message.Message, d.queue.name, how})
		switch {
		case how == Requeued:
			b.giveBack(d)
		case how == Rejected && d.queue.kind() != stream:
			b.giveUp(d.queue, d.message, "rejected")
		}
	}
	return nil
}

func (ch *channel) header(payload []byte) (err error) {
	if ch.incoming == nil {
		return nil // of a channel that was closed meanwhile
	}
	ch.incoming.Publishing, ch.incoming.size, err = readHeader(payload)
	if err == nil && ch.incoming.size == 0 {
		return ch.accept()
	}
	return err
}

func (ch *channel) body(payload []byte) error {
	if ch.incoming == nil {
		return nil
	}
	ch.incoming.Body = append(ch.incoming.Body, payload...)
	if uint64(len(ch.incoming.Body)) < ch.incoming.size {
		return nil
	}
	return ch.accept()
}

// accept stores a message whose frames have all come, and answers.
func (ch *channel) accept() error {
	b := ch.conn.broker
	in := ch.incoming
	ch.incoming = nil
	if ch.closed {
		return nil
	}
	if b.exchanges[in.Exchange] == nil {
		return refuse(amqp.NotFound, basicPublish, "NOT_FOUND - no exchange '%s'", in.Exchange)
	}
	ch.sent++
	number := ch.sent
	routed := b.route(in.Exchange, in.Key)
	p := Published{in.Message, ch.conn.name, in.mandatory, ch.confirms, names(routed)}
	b.published = append(b.published, p)
	answer := Store
	if b.answer != nil {
		answer = b.answer(p)
	}
	if answer == Store || answer == Hold {
		b.store(in.Message, routed)
		if in.mandatory && len(routed) == 0 {
			ch.returns(in.Message)
		}
	}
	confirm := func(method uint32) {
		if !ch.confirms || ch.closed {
			return
		}
		var w writer
		w.longlong(number)
		w.octet(0) // neither multiple nor requeue
		ch.conn.method(ch.id, method, &w)
	}
	switch answer {
	case Store:
		confirm(basicAck)
	case Refuse:
		confirm(basicNack)
	case Hold:
		b.held = append(b.held, func() { confirm(basicAck) })
	}
	return nil
}

// returns sends a message back that no queue takes.
func (ch *channel) returns(m Message) {
	var w writer
	w.short(amqp.NoRoute)
	w.shortstr("NO_ROUTE")
	w.shortstr(m.Exchange)
	w.shortstr(m.Key)
	frames := []frame{methodOf(ch.id, basicReturn, &w)}
	ch.conn.send(append(frames, content(ch.id, m.Publishing)...)...)
}
