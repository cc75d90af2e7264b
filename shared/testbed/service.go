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
	programPath  = "/app"
	serviceUser  = "65532"
	serviceReady = 60 * time.Second
)

// ServiceOptions say which program to start as a service.
type ServiceOptions struct {
	Name    string // "service" when empty
	Package string // main package: a path from the module's root, such as ./solutions/service
	Args    []string
	Type    instance.Type // the zero Type has no CPU quota and 2 GiB
	// Env is added to the environment that the options below make, and wins over it.
	Env     map[string]string
	Aliases []string // further names on the bed's network
	Ready   string   // path that answers 200 when it is ready; /readyz when empty

	Postgres *Postgres // the catalogue's database, and by default the user data's
	UserData *Postgres
	Shards   []*Postgres // that user data is spread over, in order
	// ShardURLs are used in place of Shards when there are any: for shards that are
	// reached by a slow link, see Postgres.URLVia.
	ShardURLs []string
	MailSink  *MailSink
	Redis     *Redis
	Broker    *RabbitMQ
	// BrokerURL is used in place of Broker's when it is not empty: for a broker that is
	// reached by a slow link, see RabbitMQ.URLVia.
	BrokerURL string
}

// Service is a Go program of ours.
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
		// Loopback inside the container could not be published; outside, the port is
		// published on loopback only.
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

// static builds a Go program and starts it in the image for such programs.
func (b *Bed) static(ctx context.Context, pkg string, sp spec) (*Server, error) {
	binary, err := b.Binary(ctx, pkg)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	if sp.image, err = b.image(ctx, images.Static); err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	sp.entrypoint = []string{programPath}
	sp.files = map[string]file{programPath: {content: binary, mode: 0o755}}
	sp.user = serviceUser
	env := goRuntimeEnv(sp.typ)
	maps.Copy(env, sp.env)
	sp.env = env
	return b.create(ctx, sp)
}

// Binary builds a main package for the engine's platform, once for each bed. A caller
// that will start services can have this done while the databases start.
func (b *Bed) Binary(ctx context.Context, pkg string) ([]byte, error) {
	if b.builder.Asked(pkg) {
		return b.builder.Binary(ctx, pkg) // its progress is shown already
	}
	step := b.progress.Step("build %s", pkg)
	binary, err := b.builder.Binary(ctx, pkg)
	var compile *gobuild.CompileError
	if errors.As(err, &compile) {
		// The compiler's many lines are for whoever gets the error.
		step.Fail(fmt.Errorf("%s does not compile", pkg))
		return nil, err
	}
	step.End(err)
	return binary, err
}

// goRuntimeEnv fits Go's runtime to the type. Go 1.26 never sets GOMAXPROCS below 2 by
// itself; with two threads a small quota is used up in half the time and the process
// then stands still for the rest of the period. The memory limit is a soft one: at 90 %
// the collector works harder, before the kernel ends the process at 100 %.
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

// Upstream is the ip:port by which a balancer on the bed reaches the service: an address
// needs no look-up, so a configuration with it also loads while the service is dead.
func (s *Service) Upstream() string {
	return fmt.Sprintf("%s:%d", s.IP(), ServicePort)
}
