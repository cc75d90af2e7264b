package rabbit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// listener is a minimal fake broker. It does the AMQP handshake, sends nothing else, and answers a
// close.
type listener struct {
	net.Listener
	silent bool // does not do the handshake

	mu    sync.Mutex
	names []string // connection names of the clients
	conns []net.Conn
}

func listen(tb testing.TB) *listener {
	tb.Helper()
	return start(tb, &listener{})
}

// listenInSilence returns a broker that accepts connections and sends nothing.
func listenInSilence(tb testing.TB) *listener {
	tb.Helper()
	return start(tb, &listener{silent: true})
}

func start(tb testing.TB, l *listener) *listener {
	tb.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l.Listener = inner
	go l.serve()
	tb.Cleanup(func() {
		_ = l.Close()
		l.hangUp()
	})
	return l
}

// url is the broker's URL, with a password that must not appear in a log or an error.
func (l *listener) url() string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword("guest", "opensesame"), Host: l.Addr().String(), Path: "/"}
	return u.String()
}

// hangUp closes all connections without the AMQP close.
func (l *listener) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.names)
}

func (l *listener) serve() {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
		if !l.silent {
			go func() { _ = l.talk(conn) }()
		}
	}
}

// The AMQP 0-9-1 methods that the fake uses, as their first four bytes: class and method.
const (
	connectionStart   = 10<<16 | 10
	connectionStartOk = 10<<16 | 11
	connectionTune    = 10<<16 | 30
	connectionOpen    = 10<<16 | 40
	connectionOpenOk  = 10<<16 | 41
	connectionClose   = 10<<16 | 50
	connectionCloseOk = 10<<16 | 51
)

func (l *listener) talk(conn net.Conn) error {
	in := bufio.NewReader(conn)
	if _, err := in.Discard(len("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	// The version, no properties, and the supported mechanisms and locales.
	if err := send(conn, connectionStart, "\x00\x09\x00\x00\x00\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x05en_US"); err != nil {
		return err
	}
	for {
		method, arguments, err := receive(in)
		if err != nil {
			return err
		}
		switch method {
		case connectionStartOk:
			l.mu.Lock()
			l.names = append(l.names, string(arguments))
			l.mu.Unlock()
			// Any number of channels, frames of 128 KiB, a heartbeat every 5 s.
			err = send(conn, connectionTune, "\x00\x00\x00\x02\x00\x00\x00\x05")
		case connectionOpen:
			err = send(conn, connectionOpenOk, "\x00")
		case connectionClose:
			return errors.Join(send(conn, connectionCloseOk, ""), conn.Close())
		}
		if err != nil {
			return err
		}
	}
}

const (
	methodFrame = 1
	frameEnd    = 0xce
)

// send writes a method on channel 0.
func send(w io.Writer, method uint32, arguments string) error {
	frame := []byte{methodFrame, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(arguments)))
	frame = binary.BigEndian.AppendUint32(frame, method)
	frame = append(frame, arguments...)
	_, err := w.Write(append(frame, frameEnd))
	return err
}

// receive reads the next method, past any heartbeats.
func receive(r io.Reader) (method uint32, arguments []byte, err error) {
	for {
		var header [7]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return 0, nil, err
		}
		payload := make([]byte, binary.BigEndian.Uint32(header[3:])+1)
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0, nil, err
		}
		if header[0] == methodFrame {
			return binary.BigEndian.Uint32(payload), payload[4 : len(payload)-1], nil
		}
	}
}
