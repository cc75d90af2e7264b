package testbed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	pprofPort    = 6060
	serviceUser  = "65532"
	serviceReady = 60 * time.Second
)

// ServiceOptions describe a service and the servers that it uses.
type ServiceOptions struct {
	Name    string // "service" when empty
	Package string // main package, as a path from the module's root: ./solutions/service
	Args    []string
	Type    instance.Type // the zero Type has no CPU quota and 2 GiB
	// Env overrides and adds to the environment that the options below make.
	Env     map[string]string
	Aliases []string // more names on the bed's network
	// Labels are more labels of the container, by which FindServices finds it.
	Labels map[string]string
	Ready  string // path that answers 200 when the service is ready; /readyz when empty

	Postgres *Postgres // the catalogue's database; the user data's too when UserData is nil
	UserData *Postgres
	Shards   []*Postgres // databases of the sharded user data, in order
	// ShardURLs replace Shards when not empty: for shards behind a slow link, see
	// Postgres.URLVia.
	ShardURLs []string
	MailSink  *MailSink
	Redis     *Redis
	Broker    *RabbitMQ
	// BrokerURL replaces Broker when not empty: for a broker behind a slow link, see
	// RabbitMQ.URLVia.
	BrokerURL string
}

// Service is a running Go program of the workshop.
type Service struct{ *Server }

// Service builds the program for the engine's platform, and starts it. The error is a
// *gobuild.CompileError when it does not build and a *StartError when it does not become ready.
func (b *Bed) Service(ctx context.Context, o ServiceOptions) (*Service, error) {
	if o.Name == "" {
		o.Name = "service"
	}
	if o.Ready == "" {
		o.Ready = "/readyz"
	}
	s, err := b.static(ctx, o.Package, spec{
		kind:        "service",
		name:        o.Name,
		cmd:         o.Args,
		env:         b.serviceEnv(o),
		ports:       []int{ServicePort, pprofPort},
		aliases:     o.Aliases,
		labels:      o.Labels,
		typ:         o.Type,
		ready:       httpReady(ServicePort, o.Ready, serviceReady),
		stopTimeout: 20 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return &Service{Server: s}, nil
}

func (b *Bed) serviceEnv(o ServiceOptions) map[string]string {
	env := map[string]string{
		"BYTEBITES_ADDR": ":" + strconv.Itoa(ServicePort),
		// All interfaces, because the engine cannot publish a port on the container's own
		// loopback. On this machine the port is published on loopback only.
		"BYTEBITES_PPROF_ADDR":     ":" + strconv.Itoa(pprofPort),
		"BYTEBITES_INSTANCE":       o.Name,
		"BYTEBITES_STAFF_TOKEN":    b.secrets.staffToken,
		"BYTEBITES_PAYMENT_SECRET": b.secrets.paymentSecret,
	}
	if o.Postgres != nil {
		env["BYTEBITES_CATALOGUE_DB"] = o.Postgres.InternalURL()
	}
	if o.UserData != nil {
		env["BYTEBITES_USERDATA_DB"] = o.UserData.InternalURL()
	}
	if urls := o.shardURLs(); len(urls) > 0 {
		env["BYTEBITES_SHARD_DBS"] = strings.Join(urls, ",")
	}
	if o.MailSink != nil {
		env["BYTEBITES_SMTP"] = o.MailSink.InternalAddress()
	}
	if o.Redis != nil {
		env["BYTEBITES_REDIS"] = o.Redis.InternalAddress()
	}
	if o.Broker != nil {
		env["BYTEBITES_AMQP"] = o.Broker.InternalURL()
	}
	if o.BrokerURL != "" {
		env["BYTEBITES_AMQP"] = o.BrokerURL
	}
	maps.Copy(env, o.Env)
	return env
}

func (o ServiceOptions) shardURLs() []string {
	if len(o.ShardURLs) > 0 {
		return o.ShardURLs
	}
	urls := make([]string, len(o.Shards))
	for i, shard := range o.Shards {
		urls[i] = shard.InternalURL()
	}
	return urls
}

// static builds a Go program and starts it in the image for static programs.
func (b *Bed) static(ctx context.Context, pkg string, sp spec) (*Server, error) {
	binary, err := b.Binary(ctx, pkg)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	if sp.image, err = b.image(ctx, images.Static); err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	sp.entrypoint = []string{programPath}
	sp.program = &program{pkg: pkg, binary: binary, image: sp.image}
	sp.user = serviceUser
	env := goRuntimeEnv(sp.typ)
	maps.Copy(env, sp.env)
	sp.env = env
	return b.create(ctx, sp)
}

// Binary builds a main package for the engine's platform, once for each bed. Call it while
// the databases start, so that a later Service finds its program built.
func (b *Bed) Binary(ctx context.Context, pkg string) ([]byte, error) {
	if b.builder.Asked(pkg) {
		return b.builder.Binary(ctx, pkg) // an earlier call shows the progress
	}
	step := b.progress.Step("build %s", pkg)
	binary, err := b.builder.Binary(ctx, pkg)
	var compile *gobuild.CompileError
	if errors.As(err, &compile) {
		// The error holds the compiler's output; the progress line stays short.
		step.Fail(fmt.Errorf("%s does not compile", pkg))
		return nil, err
	}
	step.End(err)
	return binary, err
}

// goRuntimeEnv fits Go's runtime to the type. Go 1.26 never sets GOMAXPROCS below 2 by
// itself. Two threads use up a small quota in half the time, and then the process is
// throttled for the rest of the period. GOMEMLIMIT is a soft limit at 90 % of the memory:
// the collector works harder there, before the kernel kills the process at 100 %.
func goRuntimeEnv(t instance.Type) map[string]string {
	env := make(map[string]string)
	if t.CPU > 0 && t.CPU <= 1 {
		env["GOMAXPROCS"] = "1"
	}
	if t.MemoryMiB > 0 {
		env["GOMEMLIMIT"] = fmt.Sprintf("%dMiB", t.MemoryMiB*9/10)
	}
	return env
}

// URL is the service's address for this process.
func (s *Service) URL() string { return "http://" + s.Address(ServicePort) }

// InternalURL is the service's address for servers on the bed.
func (s *Service) InternalURL() string { return "http://" + s.InternalAddress(ServicePort) }

// PprofURL is where this process finds the service's profiles.
func (s *Service) PprofURL() string { return "http://" + s.Address(pprofPort) + "/debug/pprof" }

// Upstream is the ip:port at which a balancer on the bed reaches the service. It holds no
// name, so nginx also loads a configuration with it while the service is stopped.
func (s *Service) Upstream() string {
	return fmt.Sprintf("%s:%d", s.IP(), ServicePort)
}
