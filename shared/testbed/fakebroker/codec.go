package fakebroker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The types of frames, and the octet that ends each.
const (
	methodFrame    = 1
	headerFrame    = 2
	bodyFrame      = 3
	heartbeatFrame = 8
	frameEnd       = 0xce
)

// maxFrame is the size of the largest frame, in bytes.
const maxFrame = 128 << 10

// frame is one frame of a connection.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

func readFrame(r *bufio.Reader) (frame, error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head[3:])
	if size > maxFrame {
		return frame{}, fmt.Errorf("read frame: %d bytes, want at most %d", size, maxFrame)
	}
	payload := make([]byte, size+1)
	if _, err := io.ReadFull(r, payload); err != nil {
		return frame{}, err
	}
	if payload[size] != frameEnd {
		return frame{}, errors.New("read frame: no end octet")
	}
	return frame{kind: head[0], channel: binary.BigEndian.Uint16(head[1:]), payload: payload[:size]}, nil
}

func (f frame) bytes() []byte {
	out := make([]byte, 0, len(f.payload)+8)
	out = append(out, f.kind)
	out = binary.BigEndian.AppendUint16(out, f.channel)
	out = binary.BigEndian.AppendUint32(out, uint32(len(f.payload))) //nolint:gosec // at most maxFrame
	out = append(out, f.payload...)
	return append(out, frameEnd)
}

// errShort means that the arguments of a method ended early.
var errShort = errors.New("arguments end early")

// reader reads the arguments of a method. After an error it returns zeros.
type reader struct {
	data []byte
	bits byte // the octet of bits that was read last
	used int  // how many of its bits were read; 0 when there is none
	err  error
}

func (r *reader) take(n int) []byte {
	r.used = 0
	if r.err == nil && len(r.data) < n {
		r.err = errShort
	}
	if r.err != nil {
		return make([]byte, n)
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) octet() byte      { return r.take(1)[0] }
func (r *reader) short() uint16    { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) long() uint32     { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) longlong() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) shortstr() string { return string(r.take(int(r.octet()))) }

func (r *reader) longstr() []byte {
	n := r.long()
	if uint64(n) > uint64(len(r.data)) {
		r.err = errShort
		return nil
	}
	return r.take(int(n))
}

// bit reads one bit. Bits that follow one another share an octet.
func (r *reader) bit() bool {
	if r.used == 0 || r.used == 8 {
		r.bits = r.octet()
	}
	r.used++
	return r.bits&(1<<(r.used-1)) != 0
}

func (r *reader) table() amqp.Table {
	inner := reader{data: r.longstr()}
	table := amqp.Table{}
	for inner.err == nil && len(inner.data) > 0 {
		name := inner.shortstr()
		table[name] = inner.value()
	}
	if r.err == nil {
		r.err = inner.err
	}
	return table
}

func (r *reader) value() any {
	switch kind := r.octet(); kind {
	case 't':
		return r.octet() != 0
	case 'B':
		return r.octet()
	case 'b':
		return int8(r.octet()) //nolint:gosec // the same bits
	case 's':
		return int16(r.short()) //nolint:gosec // the same bits
	case 'u':
		return r.short()
	case 'I':
		return int32(r.long()) //nolint:gosec // the same bits
	case 'i':
		return r.long()
	case 'l':
		return int64(r.longlong()) //nolint:gosec // the same bits
	case 'f':
		return math.Float32frombits(r.long())
	case 'd':
		return math.Float64frombits(r.longlong())
	case 'D':
		return amqp.Decimal{Scale: r.octet(), Value: int32(r.long())} //nolint:gosec // the same bits
	case 'S':
		return string(r.longstr())
	case 'x':
		return r.longstr()
	case 'T':
		return time.Unix(int64(r.longlong()), 0).UTC() //nolint:gosec // the same bits
	case 'F':
		return r.table()
	case 'A':
		inner := reader{data: r.longstr()}
		var all []any
		for inner.err == nil && len(inner.data) > 0 {
			all = append(all, inner.value())
		}
		if r.err == nil {
			r.err = inner.err
		}
		return all
	case 'V':
		return nil
	default:
		if r.err == nil {
			r.err = fmt.Errorf("field of unknown type %q", kind)
		}
		return nil
	}
}

// writer collects the arguments of a method.
type writer struct{ data []byte }

func (w *writer) octet(v byte)      { w.data = append(w.data, v) }
func (w *writer) short(v uint16)    { w.data = binary.BigEndian.AppendUint16(w.data, v) }
func (w *writer) long(v uint32)     { w.data = binary.BigEndian.AppendUint32(w.data, v) }
func (w *writer) longlong(v uint64) { w.data = binary.BigEndian.AppendUint64(w.data, v) }

func (w *writer) bit(v bool) {
	if v {
		w.octet(1)
	} else {
		w.octet(0)
	}
}

func (w *writer) shortstr(v string) {
	v = v[:min(len(v), math.MaxUint8)]
	w.octet(byte(len(v)))
	w.data = append(w.data, v...)
}

func (w *writer) longstr(v []byte) {
	w.long(uint32(len(v))) //nolint:gosec // far below 4 GiB
	w.data = append(w.data, v...)
}

func (w *writer) table(table amqp.Table) {
	var inner writer
	for name, value := range table {
		inner.shortstr(name)
		inner.value(value)
	}
	w.longstr(inner.data)
}

// value writes a field. A value of a type that a reader never returns is written as void.
func (w *writer) value(value any) {
	switch v := value.(type) {
	case bool:
		w.octet('t')
		w.bit(v)
	case byte:
		w.octet('B')
		w.octet(v)
	case int8:
		w.octet('b')
		w.octet(byte(v)) //nolint:gosec // the same bits
	case int16:
		w.octet('s')
		w.short(uint16(v)) //nolint:gosec // the same bits
	case uint16:
		w.octet('u')
		w.short(v)
	case int32:
		w.octet('I')
		w.long(uint32(v)) //nolint:gosec // the same bits
	case uint32:
		w.octet('i')
		w.long(v)
	case int64:
		w.octet('l')
		w.longlong(uint64(v)) //nolint:gosec // the same bits
	case float32:
		w.octet('f')
		w.long(math.Float32bits(v))
	case float64:
		w.octet('d')
		w.longlong(math.Float64bits(v))
	case amqp.Decimal:
		w.octet('D')
		w.octet(v.Scale)
		w.long(uint32(v.Value)) //nolint:gosec // the same bits
	case string:
		w.octet('S')
		w.longstr([]byte(v))
	case []byte:
		w.octet('x')
		w.longstr(v)
	case time.Time:
		w.octet('T')
		w.longlong(uint64(v.Unix())) //nolint:gosec // the same bits
	case amqp.Table:
		w.octet('F')
		w.table(v)
	case []any:
		w.octet('A')
		var inner writer
		for _, item := range v {
			inner.value(item)
		}
		w.longstr(inner.data)
	default:
		w.octet('V')
	}
}

// property is a property of a message, in the order of the flags: the first is the highest bit.
type property struct {
	is    func(amqp.Publishing) bool
	read  func(*reader, *amqp.Publishing)
	write func(*writer, amqp.Publishing)
}

// text is a property that is a short string.
func text(field func(*amqp.Publishing) *string) property {
	return property{
		is:    func(p amqp.Publishing) bool { return *field(&p) != "" },
		read:  func(r *reader, p *amqp.Publishing) { *field(p) = r.shortstr() },
		write: func(w *writer, p amqp.Publishing) { w.shortstr(*field(&p)) },
	}
}

func properties() []property {
	return []property{
		text(func(p *amqp.Publishing) *string { return &p.ContentType }),
		text(func(p *amqp.Publishing) *string { return &p.ContentEncoding }),
		{
			is:    func(p amqp.Publishing) bool { return len(p.Headers) > 0 },
			read:  func(r *reader, p *amqp.Publishing) { p.Headers = r.table() },
			write: func(w *writer, p amqp.Publishing) { w.table(p.Headers) },
		},
		{
			is:    func(p amqp.Publishing) bool { return p.DeliveryMode != 0 },
			read:  func(r *reader, p *amqp.Publishing) { p.DeliveryMode = r.octet() },
			write: func(w *writer, p amqp.Publishing) { w.octet(p.DeliveryMode) },
		},
		{
			is:    func(p amqp.Publishing) bool { return p.Priority != 0 },
			read:  func(r *reader, p *amqp.Publishing) { p.Priority = r.octet() },
			write: func(w *writer, p amqp.Publishing) { w.octet(p.Priority) },
		},
		text(func(p *amqp.Publishing) *string { return &p.CorrelationId }),
		text(func(p *amqp.Publishing) *string { return &p.ReplyTo }),
		text(func(p *amqp.Publishing) *string { return &p.Expiration }),
		text(func(p *amqp.Publishing) *string { return &p.MessageId }),
		{
			is:    func(p amqp.Publishing) bool { return !p.Timestamp.IsZero() },
			read:  func(r *reader, p *amqp.Publishing) { p.Timestamp = time.Unix(int64(r.longlong()), 0).UTC() }, //nolint:gosec // the same bits
			write: func(w *writer, p amqp.Publishing) { w.longlong(uint64(p.Timestamp.Unix())) },                 //nolint:gosec // the same bits
		},
		text(func(p *amqp.Publishing) *string { return &p.Type }),
		text(func(p *amqp.Publishing) *string { return &p.UserId }),
		text(func(p *amqp.Publishing) *string { return &p.AppId }),
	}
}

// readHeader reads the properties of a message, and the size of its body.
func readHeader(payload []byte) (p amqp.Publishing, size uint64, err error) {
	r := reader{data: payload}
	r.long() // class and weight
	size = r.longlong()
	flags := r.short()
	for i, property := range properties() {
		if flags&(1<<(15-i)) != 0 {
			property.read(&r, &p)
		}
	}
	return p, size, r.err
}

// content returns the frames of a message's properties and body.
func content(channel uint16, p amqp.Publishing) []frame {
	var flags uint16
	var fields writer
	for i, property := range properties() {
		if property.is(p) {
			flags |= 1 << (15 - i)
			property.write(&fields, p)
		}
	}
	var w writer
	w.short(classBasic)
	w.short(0)
	w.longlong(uint64(len(p.Body)))
	w.short(flags)
	frames := []frame{{headerFrame, channel, append(w.data, fields.data...)}}
	for body := p.Body; len(body) > 0; {
		n := min(len(body), maxFrame-8)
		frames = append(frames, frame{bodyFrame, channel, body[:n]})
		body = body[n:]
	}
	return frames
}
