package fakebroker

import amqp "github.com/rabbitmq/amqp091-go"

// incoming is a message whose frames have not all come.
type incoming struct {
	Message
	mandatory bool
	size      uint64
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
