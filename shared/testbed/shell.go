package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// shell is a POSIX shell that stays open in a server. For a single command the engine starts
// two or three programs of its own, so many small ones go through a shell. Its zero value
// with a server is ready, and its methods may be called from several goroutines.
type shell struct {
	server *Server

	mu   sync.Mutex
	open *session
}

// session is one run of a shell. It ends with the server.
type session struct {
	attached client.HijackedResponse
	lines    *bufio.Reader
	mark     string // a line of its own ends what a script says
}

// run executes a script and returns what it says. The error is an *ExecError when the script's
// last command fails. A script may run twice: the server may have been started again since
// the last one, and the shell ended with it.
func (sh *shell) run(ctx context.Context, script string) (string, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	kept := sh.open != nil
	out, err := sh.try(ctx, script)
	if err != nil && kept && sh.open == nil && ctx.Err() == nil {
		out, err = sh.try(ctx, script)
	}
	if err != nil {
		return out, fmt.Errorf("shell in %s: %w", sh.server.name, err)
	}
	return out, nil
}

// try runs a script once. When the session does not answer as a shell does, it is closed.
func (sh *shell) try(ctx context.Context, script string) (string, error) {
	if sh.open == nil {
		var err error
		if sh.open, err = sh.server.openShell(ctx); err != nil {
			return "", err
		}
	}
	out, code, err := sh.open.run(ctx, script)
	if err != nil {
		sh.open.attached.Close()
		sh.open = nil
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return out, err
	}
	if code != 0 {
		return out, &ExecError{Command: []string{"sh"}, Code: code, Output: out}
	}
	return out, nil
}

func (s *Server) openShell(ctx context.Context) (*session, error) {
	created, err := s.bed.docker.ExecCreate(ctx, s.id, client.ExecCreateOptions{
		Cmd: []string{"sh"}, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, err
	}
	attached, err := s.bed.docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, err
	}
	said, say := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(say, say, attached.Reader)
		if err == nil {
			err = errors.New("the shell has ended")
		}
		say.CloseWithError(err)
	}()
	return &session{attached: attached.HijackedResponse, lines: bufio.NewReader(said), mark: "end-of-" + random(8)}, nil
}

// run sends a script to the shell and reads up to the mark, which comes with the exit code.
func (s *session) run(ctx context.Context, script string) (out string, code int, err error) {
	defer context.AfterFunc(ctx, s.attached.Close)() // ends the read below
	if _, err := fmt.Fprintf(s.attached.Conn, "{\n%s\n} 2>&1 </dev/null\nprintf '\\n%s %%d\\n' $?\n", script, s.mark); err != nil {
		return "", 0, err
	}
	var said strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return said.String(), 0, err
		}
		if status, ended := strings.CutPrefix(line, s.mark+" "); ended {
			code, err := strconv.Atoi(strings.TrimSpace(status))
			return strings.TrimSuffix(said.String(), "\n"), code, err
		}
		said.WriteString(line)
	}
}
