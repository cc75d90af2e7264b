package images

import (
	"fmt"
	"slices"
)

// Name is an image of the catalogue.
type Name string

// The catalogue.
const (
	// Static is the base of the workshop's Go programs. Its file system holds the user 65532
	// and a writable /tmp only.
	Static     Name = "static"
	Postgres   Name = "postgres"
	Redis      Name = "redis"
	RabbitMQ   Name = "rabbitmq"
	Nginx      Name = "nginx"
	Prometheus Name = "prometheus"
	// Alertmanager shows the alerts of Prometheus. The exporters turn a server's numbers into
	// metrics for Prometheus.
	Alertmanager     Name = "alertmanager"
	PostgresExporter Name = "postgres-exporter"
	RedisExporter    Name = "redis-exporter"
	NginxExporter    Name = "nginx-exporter"
	// Toxiproxy simulates a slow or broken network link.
	Toxiproxy Name = "toxiproxy"
)

// Ref is an image's name in the engine.
type Ref string

// origin is the source of an image that the engine does not have.
type origin int

const (
	fromGo     origin = iota // built here, without a network
	fromDebian               // pulled, or built on the Debian base image
)

// entry is one image of the catalogue.
type entry struct {
	name     Name
	official Ref // never latest; empty without an official image
	tag      string
	origin   origin
}

// catalogue is sorted for two parallel builds. Images without the Debian base come first,
// because the compiler works while the base's packages are fetched; all others wait for the
// base. Then come the longest builds, so that both workers end at about the same time.
var catalogue = [...]entry{
	{Toxiproxy, "", toxiproxyVersion, fromGo}, // built in seconds, so never pulled
	{Static, "", "1", fromGo},
	{Postgres, "postgres:17", "17", fromDebian},
	{RabbitMQ, "rabbitmq:4.0-management", "4.0-management", fromDebian},
	{Prometheus, "prom/prometheus:v2.53.3", "v2.53", fromDebian},
	{Nginx, "nginx:1.26", "1.26", fromDebian},
	{Redis, "redis:8.0", "8.0", fromDebian},
	{Alertmanager, "prom/alertmanager:v0.28.1", "v0.28", fromDebian},
	{PostgresExporter, "prometheuscommunity/postgres-exporter:v0.17.1", "v0.17", fromDebian},
	{RedisExporter, "oliver006/redis_exporter:v1.69.0", "v1.69", fromDebian},
	{NginxExporter, "nginx/nginx-prometheus-exporter:1.4.1", "1.4", fromDebian},
}

// Names returns the names of the catalogue's images.
func Names() []Name {
	names := make([]Name, 0, len(catalogue))
	for _, e := range catalogue {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}

// Official returns the name of the official image, or "" when the image has none.
func (n Name) Official() Ref {
	e, err := find(n)
	if err != nil {
		return ""
	}
	return e.official
}

// Local returns the name of the local build. It contains a hash of the recipe, so that an
// image of an earlier recipe is never used for the present one. It is "" for a name that is
// not in the catalogue.
func (n Name) Local() Ref {
	e, err := find(n)
	if err != nil {
		return ""
	}
	return localRef(string(e.name), e.tag, recipeKey(e.name))
}

func localRef(name, tag, key string) Ref {
	return Ref(fmt.Sprintf("%s%s:%s-%s", localPrefix, name, tag, key))
}

// localPrefix starts the name of every local build.
const localPrefix = "bytebites-local/"

func find(n Name) (entry, error) {
	for _, e := range catalogue {
		if e.name == n {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("image %q: not in the catalogue", n)
}
