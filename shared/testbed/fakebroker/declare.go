package fakebroker

import (
	"fmt"
	"maps"
	"reflect"

	amqp "github.com/rabbitmq/amqp091-go"
)

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
