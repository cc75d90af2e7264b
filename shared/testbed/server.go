package testbed

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// Server is one container on the bed's network. It stands for a machine of a type.
type Server struct {
	bed     *Bed
	kind    string
	name    string
	aliases []string
	ip      netip.Addr
	ports   map[int]int // container port to published port
	ready   readiness
	id      string

	mu    sync.Mutex
	typ   instance.Type
	sized bool // the engine has the limits of typ
}

// spec describes a server to start.
type spec struct {
	kind        string
	name        string
	image       string
	user        string // replaces the image's user; empty keeps it
	entrypoint  []string
	cmd         []string
	env         map[string]string
	program     *program        // what the entrypoint runs; nil for an image with a program
	files       map[string]file // by path in the container
	ports       []int
	aliases     []string          // besides the name
	labels      map[string]string // besides the bed's
	typ         instance.Type
	quotaLater  bool // the caller sets the CPU quota with Resize after the warm-up
	caps        []string
	shmBytes    int64
	ready       readiness
	stopTimeout time.Duration
}

type file struct {
	content []byte
	mode    int64
}

// create makes a server, starts it and waits until it is ready.
func (b *Bed) create(ctx context.Context, sp spec) (*Server, error) {
	ctx, end, err := b.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	defer end()
	s := &Server{bed: b, kind: sp.kind, name: sp.name, typ: sp.typ, sized: !sp.quotaLater, ready: sp.ready,
		aliases: append([]string{sp.name}, sp.aliases...)}
	if s.ip, err = b.addresses.next(); err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	if err := b.take(s); err != nil {
		return nil, err
	}
	const tries = 3 // another process may take the port before the engine binds it
	for try := 1; ; try++ {
		err := s.start(ctx, sp)
		if err == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.servers = append(b.servers, s)
			return s, nil
		}
		if try < tries && portTaken(err) {
			continue
		}
		b.drop(s)
		return nil, err
	}
}

// containerName is the name of a server's container. The engine takes a name only once.
func (b *Bed) containerName(server string) string { return "bytebites-" + b.id + "-" + server }

func portTaken(err error) bool {
	return strings.Contains(err.Error(), "port is already allocated") || strings.Contains(err.Error(), "address already in use")
}

// take reserves the server's names.
func (b *Bed) take(s *Server) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, alias := range s.aliases {
		if b.names[alias] {
			return fmt.Errorf("start %s: the bed already has a server named %s", s.name, alias)
		}
	}
	for _, alias := range s.aliases {
		b.names[alias] = true
	}
	return nil
}

// drop releases the server's names.
func (b *Bed) drop(s *Server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, alias := range s.aliases {
		delete(b.names, alias)
	}
	b.servers = slices.DeleteFunc(b.servers, func(other *Server) bool { return other == s })
}

// Remove kills the server and removes it from the bed. Its name is then free. The server
// must not be used any more.
func (s *Server) Remove(ctx context.Context) error {
	_, err := s.bed.docker.ContainerRemove(ctx, s.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !gone(err) {
		return fmt.Errorf("remove %s: %w", s.name, err)
	}
	s.bed.drop(s)
	return nil
}

// start makes the container and waits until it is ready. On failure it removes the
// container; the error holds the last lines of its log.
func (s *Server) start(ctx context.Context, sp spec) error {
	s.ports = make(map[int]int, len(sp.ports))
	bindings := make(network.PortMap, len(sp.ports))
	exposed := make([]string, 0, len(sp.ports))
	for _, port := range sp.ports {
		published, err := s.bed.ports.next()
		if err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		s.ports[port] = published
		inside, ok := network.PortFrom(uint16(port), network.TCP)
		if !ok {
			return fmt.Errorf("start %s: bad port %d", s.name, port)
		}
		bindings[inside] = []network.PortBinding{{HostIP: netip.MustParseAddr(loopback), HostPort: strconv.Itoa(published)}}
		exposed = append(exposed, inside.String())
	}
	var mounts []mount.Mount
	if sp.program != nil {
		m, err := s.bed.programMount(ctx, *sp.program)
		if err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		mounts = append(mounts, m)
	}
	stopSeconds := int(sp.stopTimeout.Seconds())
	labels := maps.Clone(sp.labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	maps.Copy(labels, s.bed.labels) // last: nothing may replace the owner
	request := testcontainers.GenericContainerRequest{
		Logger: tclog.NewNoopLogger(),
		ContainerRequest: testcontainers.ContainerRequest{
			Name:           s.bed.containerName(s.name),
			Image:          sp.image,
			Entrypoint:     sp.entrypoint,
			Cmd:            sp.cmd,
			Env:            sp.env,
			Labels:         labels,
			ExposedPorts:   exposed,
			Networks:       []string{s.bed.network},
			NetworkAliases: map[string][]string{s.bed.network: s.aliases},
			ConfigModifier: func(c *container.Config) {
				c.Hostname = s.name
				c.User = sp.user
				if stopSeconds > 0 {
					c.StopTimeout = &stopSeconds
				}
			},
			HostConfigModifier: func(h *container.HostConfig) {
				h.PortBindings = bindings
				h.Mounts = append(h.Mounts, mounts...)
				h.Resources = limits(sp.typ, s.bed.period, !sp.quotaLater)
				h.SecurityOpt = []string{"no-new-privileges"}
				h.CapDrop = []string{"ALL"}
				h.CapAdd = sp.caps
				h.ShmSize = sp.shmBytes
				// The engine's default may be a driver that keeps no logs, or one without a
				// size limit, which would let a load fill the disk.
				h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "32m", "max-file": "1"}}
			},
			EndpointSettingsModifier: func(e map[string]*network.EndpointSettings) {
				if settings := e[s.bed.network]; settings != nil {
					settings.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: s.ip}
				}
			},
		},
	}
	ctr, err := testcontainers.GenericContainer(ctx, request)
	if ctr != nil {
		s.id = ctr.GetContainerID()
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	if err := s.copyIn(ctx, sp.files); err != nil {
		return s.fail(ctx, err)
	}
	if err := ctr.Start(ctx); err != nil {
		return s.fail(ctx, err)
	}
	if err := s.awaitReady(ctx); err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

// StartError says that a server did not start: it ended, or was not ready in time.
type StartError struct {
	Server string // its name
	Kind   string // such as "service" or "postgres"
	Err    error
	Logs   string // its last log lines; empty when it never ran
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("start %s: %v", e.Server, e.Err)
	if logs := strings.TrimSpace(e.Logs); logs != "" {
		text += fmt.Sprintf("\nlast log lines of %s:\n%s", e.Server, logs)
	}
	return text
}

func (e *StartError) Unwrap() error { return e.Err }

// fail removes a server's container and returns the error to report.
func (s *Server) fail(ctx context.Context, err error) error {
	failure := &StartError{Server: s.name, Kind: s.kind, Err: err}
	if s.id == "" {
		return failure
	}
	// ctx may have ended, which may be the reason for err.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostspeed.Wait(cleanupTimeout))
	defer cancel()
	if logs, logErr := s.Logs(ctx, logLines); logErr == nil {
		failure.Logs = logs
	}
	_, removeErr := s.bed.docker.ContainerRemove(ctx, s.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if removeErr != nil && !gone(removeErr) {
		failure.Err = errors.Join(err, fmt.Errorf("remove container: %w", removeErr))
	}
	s.id = ""
	return failure
}

// cleanupTimeout bounds the calls that read the log of a failed server and remove it.
const cleanupTimeout = 10 * time.Second

// logLines is how many lines of a failed server's log are shown.
const logLines = 40

// Name is the server's name, which is also its host name on the bed's network.
func (s *Server) Name() string { return s.name }

// Kind is one of postgres, redis, rabbitmq, nginx, mailsink, service, role and toxiproxy.
func (s *Server) Kind() string { return s.kind }

// ContainerID is the engine's id of the server's container.
func (s *Server) ContainerID() string { return s.id }

// IP is the server's address on the bed's network.
func (s *Server) IP() netip.Addr { return s.ip }

// Address returns the host:port at which this process reaches a port of the server. It
// panics when the server does not publish that port.
func (s *Server) Address(port int) string {
	published, ok := s.ports[port]
	if !ok {
		panic(fmt.Sprintf("%s does not publish port %d", s.name, port))
	}
	return net.JoinHostPort(loopback, strconv.Itoa(published))
}

// InternalAddress returns the name:port at which servers on the bed reach this server.
func (s *Server) InternalAddress(port int) string {
	return net.JoinHostPort(s.name, strconv.Itoa(port))
}

// Logs returns the last lines of the server's standard output and error, or all lines when
// lines is 0.
func (s *Server) Logs(ctx context.Context, lines int) (string, error) {
	tail := "all"
	if lines > 0 {
		tail = strconv.Itoa(lines)
	}
	return s.logs(ctx, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: tail})
}

func (s *Server) logs(ctx context.Context, o client.ContainerLogsOptions) (string, error) {
	stream, err := s.bed.docker.ContainerLogs(ctx, s.id, o)
	if err != nil {
		return "", fmt.Errorf("read logs of %s: %w", s.name, err)
	}
	defer func() { _ = stream.Close() }()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream); err != nil && !errors.Is(err, io.EOF) {
		return out.String(), fmt.Errorf("read logs of %s: %w", s.name, err)
	}
	return out.String(), nil
}

// ExecError says that a command in a server ended with an exit code other than 0.
type ExecError struct {
	Command []string
	Code    int
	Output  string // standard output and error
}

func (e *ExecError) Error() string {
	return fmt.Sprintf("%s: exit code %d: %s", strings.Join(e.Command, " "), e.Code, strings.TrimSpace(e.Output))
}

// Exec runs a command in the server and returns its standard output and error. The error
// is an *ExecError when the exit code is not 0.
func (s *Server) Exec(ctx context.Context, command ...string) (string, error) {
	created, err := s.bed.docker.ExecCreate(ctx, s.id, client.ExecCreateOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", fmt.Errorf("exec in %s: %w", s.name, err)
	}
	attached, err := s.bed.docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", fmt.Errorf("exec in %s: %w", s.name, err)
	}
	defer attached.Close()
	// ctx ends only the request, so close the connection to end the read.
	defer context.AfterFunc(ctx, attached.Close)()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, attached.Reader); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return out.String(), fmt.Errorf("exec in %s: %w", s.name, err)
	}
	ended, err := s.bed.docker.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err != nil {
		return out.String(), fmt.Errorf("exec in %s: %w", s.name, err)
	}
	if ended.ExitCode != 0 {
		return out.String(), &ExecError{Command: command, Code: ended.ExitCode, Output: out.String()}
	}
	return out.String(), nil
}

// copyIn writes files into the server. Their folders must exist. testcontainers can copy
// files too, but it compresses them, which takes time.
func (s *Server) copyIn(ctx context.Context, files map[string]file) error {
	if len(files) == 0 {
		return nil
	}
	archive, err := archived(files)
	if err != nil {
		return fmt.Errorf("write files in %s: %w", s.name, err)
	}
	_, err = s.bed.docker.CopyToContainer(ctx, s.id, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	if err != nil {
		return fmt.Errorf("write files in %s: %w", s.name, err)
	}
	return nil
}

// archived returns a tar of files, by their paths.
func archived(files map[string]file) (*bytes.Buffer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, f := range files {
		header := &tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: f.mode, Size: int64(len(f.content)), ModTime: time.Now()}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &archive, nil
}
