// Command service is ByteBites with the solutions of the labs before. Lab 06 changes how many of it
// run, and nothing in it.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/01-vertical"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/05-queue"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		c := service.Baseline()
		baseline.Apply(&c)
		vertical.Apply(&c)
		horizontal.Apply(&c)
		cache.Apply(&c)
		sharding.Apply(&c)
		queue.Apply(&c)
		return c, nil
	}))
}
