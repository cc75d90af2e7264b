package testbed

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/testbed/images"
)

const (
	prometheusPort       = 9090
	alertmanagerPort     = 9093
	redisExporterPort    = 9121
	postgresExporterPort = 9187
	monitorReady         = 30 * time.Second
)

// Prometheus is a Prometheus server without a CPU quota. It finds the bed's servers by their names.
type Prometheus struct{ *Server }

// Prometheus starts a Prometheus server with a configuration, and with the rules that the
// configuration calls alerts.yml.
func (b *Bed) Prometheus(ctx context.Context, conf, rules string) (*Prometheus, error) {
	const folder = "/etc/prometheus/"
	s, err := b.monitor(ctx, images.Prometheus, spec{
		name: "prometheus", ports: []int{prometheusPort}, ready: httpReady(prometheusPort, "/-/ready", monitorReady),
		files: map[string]file{
			folder + "prometheus.yml": {content: []byte(conf), mode: 0o644},
			folder + "alerts.yml":     {content: []byte(rules), mode: 0o644},
		},
	})
	if err != nil {
		return nil, err
	}
	return &Prometheus{s}, nil
}

// URL is the server's address for this process.
func (p *Prometheus) URL() string { return "http://" + p.Address(prometheusPort) }

// Alertmanager is an Alertmanager without a CPU quota.
type Alertmanager struct{ *Server }

// Alertmanager starts an Alertmanager with a configuration.
func (b *Bed) Alertmanager(ctx context.Context, conf string) (*Alertmanager, error) {
	s, err := b.monitor(ctx, images.Alertmanager, spec{
		name: "alertmanager", ports: []int{alertmanagerPort}, ready: httpReady(alertmanagerPort, "/-/ready", monitorReady),
		// One Alertmanager has no peers to listen to.
		cmd:   []string{"--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager", "--cluster.listen-address="},
		files: map[string]file{"/etc/alertmanager/alertmanager.yml": {content: []byte(conf), mode: 0o644}},
	})
	if err != nil {
		return nil, err
	}
	return &Alertmanager{s}, nil
}

// URL is the server's address for this process.
func (a *Alertmanager) URL() string { return "http://" + a.Address(alertmanagerPort) }

// RedisExporter starts the exporter of Redis. Prometheus names the server in each request.
func (b *Bed) RedisExporter(ctx context.Context) (*Server, error) {
	return b.monitor(ctx, images.RedisExporter, spec{
		name: "redis-exporter", ports: []int{redisExporterPort}, ready: httpReady(redisExporterPort, "/health", monitorReady),
	})
}

// PostgresExporter starts the exporter of PostgreSQL. Prometheus names the server in each request. The
// exporter signs in to each server with the same user and password.
func (b *Bed) PostgresExporter(ctx context.Context, user, password string) (*Server, error) {
	return b.monitor(ctx, images.PostgresExporter, spec{
		name: "postgres-exporter", ports: []int{postgresExporterPort}, ready: httpReady(postgresExporterPort, "/", monitorReady),
		env: map[string]string{"PGUSER": user, "PGPASSWORD": password, "PGDATABASE": postgresDatabase, "PGSSLMODE": "disable"},
	})
}

// monitor starts a server of an image.
func (b *Bed) monitor(ctx context.Context, name images.Name, sp spec) (_ *Server, err error) {
	sp.kind = "monitor"
	if sp.image, err = b.image(ctx, name); err != nil {
		return nil, fmt.Errorf("start %s: %w", sp.name, err)
	}
	return b.create(ctx, sp)
}
