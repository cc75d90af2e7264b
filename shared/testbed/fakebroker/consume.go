package fakebroker

import (
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

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
