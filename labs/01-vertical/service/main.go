// Command service is the monolith with the solution of lab 00 and your work of lab 01 in
// it.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/labs/01-vertical"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		c := service.Baseline()
		baseline.Apply(&c)
		vertical.Apply(&c)
		return c, nil
	}))
}
