// Command service is ByteBites with the solutions of labs 00 and 01 and your work of lab 02
// in it.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/labs/02-horizontal"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/01-vertical"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		c := service.Baseline()
		baseline.Apply(&c)
		vertical.Apply(&c)
		horizontal.Apply(&c)
		return c, nil
	}))
}
