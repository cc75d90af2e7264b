package testbed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// Stop sends the server its stop signal, and kills it when it has not ended within its stop
// timeout.
func (s *Server) Stop(ctx context.Context) error {
	if _, err := s.bed.docker.ContainerStop(ctx, s.id, client.ContainerStopOptions{}); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

// Start starts a stopped or killed server again and waits until it is ready. The server
// keeps its ports, address and files.
func (s *Server) Start(ctx context.Context) error {
	if _, err := s.bed.docker.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
		return &StartError{Server: s.name, Kind: s.kind, Err: err}
	}
	if err := s.awaitReady(ctx); err != nil {
		failure := &StartError{Server: s.name, Kind: s.kind, Err: err}
		logCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostspeed.Wait(cleanupTimeout))
		defer cancel()
		if logs, logErr := s.Logs(logCtx, logLines); logErr == nil {
			failure.Logs = logs
		}
		return failure
	}
	return nil
}

// Kill sends SIGKILL and waits until the server has ended.
func (s *Server) Kill(ctx context.Context) error {
	dead := s.bed.docker.ContainerWait(ctx, s.id, client.ContainerWaitOptions{})
	if _, err := s.bed.docker.ContainerKill(ctx, s.id, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		return fmt.Errorf("kill %s: %w", s.name, err)
	}
	select {
	case <-dead.Result:
		return nil
	case err := <-dead.Error:
		return fmt.Errorf("kill %s: %w", s.name, err)
	}
}

const (
	// freezeWithin bounds the tries to pause a server, and freezePause is between two of them.
	freezeWithin = 3 * time.Second
	freezePause  = 50 * time.Millisecond
)

// Pause suspends all of the server's processes. Connections stay open and get no answer, as
// on a machine that hangs. The error is a *LateError when the engine could not suspend them in time.
func (s *Server) Pause(ctx context.Context) error {
	err := untilFrozen(ctx, hostspeed.Wait(freezeWithin), func() error {
		_, err := s.bed.docker.ContainerPause(ctx, s.id, client.ContainerPauseOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("pause %s: %w", s.name, err)
	}
	return nil
}

// untilFrozen calls pause again while the runtime cannot freeze the processes. It cannot when they start
// others meanwhile, with control groups version 1, and leaves them running. Its authors leave the next try
// to the caller: https://github.com/opencontainers/runc/pull/4388.
func untilFrozen(ctx context.Context, within time.Duration, pause func() error) error {
	for began := time.Now(); ; {
		err := pause()
		switch {
		case err == nil || !strings.Contains(err.Error(), "unable to freeze"):
			return err
		case time.Since(began) > within:
			return &LateError{What: "not suspended", Within: within, Err: err}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(freezePause):
		}
	}
}

// Unpause resumes a paused server.
func (s *Server) Unpause(ctx context.Context) error {
	if _, err := s.bed.docker.ContainerUnpause(ctx, s.id, client.ContainerUnpauseOptions{}); err != nil {
		return fmt.Errorf("unpause %s: %w", s.name, err)
	}
	return nil
}

// Disconnect takes the server off the network. Packets to and from it are lost, its
// published ports do not answer, and its name does not resolve.
func (s *Server) Disconnect(ctx context.Context) error {
	_, err := s.bed.docker.NetworkDisconnect(ctx, s.bed.networkID, client.NetworkDisconnectOptions{Container: s.id})
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", s.name, err)
	}
	return nil
}

// Reconnect puts a disconnected server back on the network, with the same address, names and
// ports.
func (s *Server) Reconnect(ctx context.Context) error {
	_, err := s.bed.docker.NetworkConnect(ctx, s.bed.networkID, client.NetworkConnectOptions{
		Container: s.id,
		EndpointConfig: &network.EndpointSettings{
			Aliases:    s.aliases,
			IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: s.ip},
		},
	})
	if err != nil {
		return fmt.Errorf("reconnect %s: %w", s.name, err)
	}
	return nil
}
