package images

import (
	"fmt"
	"slices"
)

// Name is an image of the catalogue.
type Name string

// The catalogue.
const (
	// Static is the base of our own Go programs: an otherwise empty file system with
	// a writable /tmp and the user 65532.
	Static     Name = "static"
	Postgres   Name = "postgres"
	Redis      Name = "redis"
	RabbitMQ   Name = "rabbitmq"
	Nginx      Name = "nginx"
	Prometheus Name = "prometheus"
	// Toxiproxy is a slow or broken network link.
	Toxiproxy Name = "toxiproxy"
)

// Ref is the name by which the engine knows an image.
type Ref string

// origin is where an image can come from when the engine does not have it.
type origin int

const (
	fromGo     origin = iota // made here without any network
	fromDebian               // pulled, or built on the Debian base image
)

// entry is what the catalogue holds of an image.
type entry struct {
	name     Name
	official Ref // never latest; empty where there is none
	tag      string
	origin   origin
}

// catalogue is sorted for two builds at a time. What needs no base image comes first: the
// compiler works while the base's packages are fetched, for which all others wait. Then
// comes what takes longest, so that both end together.
var catalogue = [...]entry{
	{Toxiproxy, "", toxiproxyVersion, fromGo}, // built in seconds, so never pulled
	{Static, "", "1", fromGo},
	{Postgres, "postgres:17", "17", fromDebian},
	{RabbitMQ, "rabbitmq:4.0-management", "4.0-management", fromDebian},
	{Prometheus, "prom/prometheus:v2.53.3", "v2.53", fromDebian},
	{Nginx, "nginx:1.26", "1.26", fromDebian},
	{Redis, "redis:8.0", "8.0", fromDebian},
}

// Names returns the catalogue.
func Names() []Name {
	names := make([]Name, 0, len(catalogue))
	for _, e := range catalogue {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}

// Official returns the name of the official image, or "" where there is none.
func (n Name) Official() Ref {
	e, err := find(n)
	if err != nil {
		return ""
	}
	return e.official
}

// Local returns the name of a build made here. It says that it is local, and changes
// with the recipe, so an image made by an earlier recipe is never taken for this one.
// It is "" for a name that is not in the catalogue.
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

// localPrefix starts the name of everything built here.
const localPrefix = "bytebites-local/"

func find(n Name) (entry, error) {
	for _, e := range catalogue {
		if e.name == n {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("image %q: not in the catalogue", n)
}
