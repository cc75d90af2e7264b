package testbed

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/instance"
)

// reusable is a server that outlives Recycle: the next call for a server of the same name and
// options takes it over.
type reusable struct {
	server *Server
	value  any // such as a *Postgres
	// options identify what only a new container can change.
	options string
	// restore brings the server's data back to that of its first start.
	restore func(ctx context.Context) error
	parked  bool
}

// Recycle makes a reusable bed as good as new, for another run on it. It removes the services,
// links and balancers. PostgreSQL, Redis, RabbitMQ and the mail sink stay, parked: the next call for a
// server of the same name and options takes over the parked server in its first state. A bed
// that is not reusable loses all its servers.
func (b *Bed) Recycle(ctx context.Context) error {
	b.mu.Lock()
	var removals []func(context.Context) error
	for _, s := range b.servers {
		if r := b.reusables[s.name]; r != nil && r.server == s {
			r.parked = true
			continue
		}
		removals = append(removals, s.Remove)
	}
	b.mu.Unlock()
	if err := SideBySide(ctx, removals...); err != nil {
		return fmt.Errorf("recycle test bed: %w", err)
	}
	return nil
}

// offer registers a started server for reuse, when the bed is reusable.
func (b *Bed) offer(r *reusable) {
	if !b.reuse {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reusables[r.server.name] = r
}

// takeOver returns the parked server of that name, in its first state and with the type t, or
// nil when a new one must be started. A parked server with other options, or one that does not
// come back, is removed.
func takeOver[T any](ctx context.Context, b *Bed, name, options string, t instance.Type) (value *T, err error) {
	b.mu.Lock()
	r := b.reusables[name]
	if r == nil || !r.parked {
		b.mu.Unlock()
		return nil, nil
	}
	r.parked = false
	b.mu.Unlock()
	if r.options == options {
		if err = r.server.revive(ctx, r.restore, t); err == nil {
			return r.value.(*T), nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reuse %s: %w", name, err)
		}
		b.progress.Note("%s is started anew: %v", name, err)
	}
	b.mu.Lock()
	delete(b.reusables, name)
	b.mu.Unlock()
	return nil, r.server.Remove(ctx)
}

// revive undoes what faults did to a server: it may be paused, stopped, disconnected or of
// another type. Restore runs at full speed.
func (s *Server) revive(ctx context.Context, restore func(context.Context) error, t instance.Type) error {
	res, err := s.bed.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect %s: %w", s.name, err)
	}
	state, settings := res.Container.State, res.Container.NetworkSettings
	if state == nil || settings == nil {
		return errors.New("inspect " + s.name + ": no state")
	}
	if state.Paused {
		if err := s.Unpause(ctx); err != nil {
			return err
		}
	}
	if settings.Networks[s.bed.network] == nil {
		if err := s.Reconnect(ctx); err != nil {
			return err
		}
	}
	if err := s.Resize(ctx, t.FullSpeed()); err != nil {
		return err
	}
	if !state.Running {
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	if err := restore(ctx); err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	return s.Resize(ctx, t)
}

// restart brings a server that keeps nothing on disk back to its first state: a new process
// forgets all data, settings and counters.
func (s *Server) restart(ctx context.Context) error {
	if err := s.Kill(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}
