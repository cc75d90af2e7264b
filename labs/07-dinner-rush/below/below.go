// Package below has the parts of the labs below lab 07 that the service's program does not carry, and the
// name of that program. It is given.
package below

import (
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/06-autoscale"
)

// Labs are the labs below.
type Labs struct {
	// Package is the main package of a service with the labs' code, as a path from the module's root.
	// Args are the arguments of every instance of it.
	Package string
	Args    []string

	Nginx  []byte           // nginx.conf of lab 02
	Redis  string           // redis.conf of lab 03
	Router shard.Router     // of lab 04; it is the one in the program
	Policy autoscale.Policy // of lab 06
}

// Solutions returns the solutions of all labs below.
func Solutions() Labs {
	return Labs{
		Package: "./solutions/service", Args: []string{"--through", "05"},
		Nginx: horizontal.NginxConf(), Redis: cache.RedisConf(), Router: sharding.NewRouter(), Policy: scaling.Desired,
	}
}
