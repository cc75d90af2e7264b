package testbed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"bytebites.example/workshop/shared/instance"
)

// machine is a server without a container. It notes the CPU of every Resize.
type machine struct {
	name  string
	typ   instance.Type
	calls []float64
	fail  func(call int) error // nil: every call succeeds; calls count from 1
}

func (m *machine) Name() string        { return m.name }
func (m *machine) Type() instance.Type { return m.typ }

func (m *machine) Resize(ctx context.Context, t instance.Type) error {
	m.calls = append(m.calls, t.CPU)
	if m.fail != nil {
		if err := m.fail(len(m.calls)); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.typ = t
	return nil
}

var (
	errWork   = errors.New("work failed")
	errResize = errors.New("resize failed")
)

func TestAtFullSpeedRestoresEachServersType(t *testing.T) {
	for _, test := range []struct {
		name string
		work func(cancel context.CancelFunc) error
		want error
	}{
		{"work succeeds", func(context.CancelFunc) error { return nil }, nil},
		{"work fails", func(context.CancelFunc) error { return errWork }, errWork},
		{"the context ends", func(cancel context.CancelFunc) error { cancel(); return context.Canceled }, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			small, large := &machine{name: "a", typ: instance.Micro()}, &machine{name: "b", typ: instance.Medium()}
			err := atFullSpeed(ctx, func() error {
				if small.typ.CPU != 0 || large.typ.CPU != 0 {
					t.Errorf("during the work: quotas %v and %v, want none", small.typ.CPU, large.typ.CPU)
				}
				return test.work(cancel)
			}, []resizer{small, large})
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if small.typ != instance.Micro() || large.typ != instance.Medium() {
				t.Errorf("afterwards: %+v and %+v, want the types before", small.typ, large.typ)
			}
		})
	}
}

func TestAtFullSpeedRestoresAfterAPanic(t *testing.T) {
	m := &machine{name: "a", typ: instance.Micro()}
	func() {
		defer func() { _ = recover() }()
		_ = atFullSpeed(t.Context(), func() error { panic("work") }, []resizer{m})
	}()
	if m.typ != instance.Micro() {
		t.Errorf("afterwards: %+v, want the type before", m.typ)
	}
}

func TestAtFullSpeedWhenAServerIsNotLifted(t *testing.T) {
	failing := &machine{name: "b", typ: instance.Micro(), fail: func(call int) error {
		if call == 1 {
			return errResize
		}
		return nil
	}}
	first, third := &machine{name: "a", typ: instance.Micro()}, &machine{name: "c", typ: instance.Micro()}
	err := atFullSpeed(t.Context(), func() error { t.Error("the work ran"); return nil }, []resizer{first, failing, third})
	if !errors.Is(err, errResize) {
		t.Errorf("error %v, want %v", err, errResize)
	}
	cpu := instance.Micro().CPU
	if !slices.Equal(first.calls, []float64{0, cpu}) || !slices.Equal(failing.calls, []float64{0, cpu}) || third.calls != nil {
		t.Errorf("calls %v, %v, %v: want two, two and none", first.calls, failing.calls, third.calls)
	}
}

func TestAtFullSpeedReportsAQuotaThatIsNotRestored(t *testing.T) {
	restoring := func(err error) func(int) error {
		return func(call int) error {
			if call == 2 {
				return err
			}
			return nil
		}
	}
	broken, sound := &machine{name: "a", typ: instance.Micro(), fail: restoring(errResize)}, &machine{name: "b", typ: instance.Micro()}
	err := atFullSpeed(t.Context(), func() error { return errWork }, []resizer{broken, sound})
	if !errors.Is(err, errWork) || !errors.Is(err, errResize) || !strings.Contains(err.Error(), "restore CPU quota of a") {
		t.Errorf("error %v, want both causes and the server", err)
	}
	if sound.typ != instance.Micro() {
		t.Errorf("the other server: %+v, want the type before", sound.typ)
	}
	removed := &machine{name: "a", typ: instance.Micro(), fail: restoring(errdefs.ErrNotFound)}
	if err := atFullSpeed(t.Context(), func() error { return errWork }, []resizer{removed}); err != errWork { //nolint:errorlint // no other error may be joined to it
		t.Errorf("failed work on a removed server: %v, want %v alone", err, errWork)
	}
	removed.calls = nil
	if err := atFullSpeed(t.Context(), func() error { return nil }, []resizer{removed}); err == nil {
		t.Error("a removed server after good work: no error")
	}
}
