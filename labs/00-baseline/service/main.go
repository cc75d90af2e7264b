// Command service is the monolith with your work of lab 00 in it.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/labs/00-baseline"
	"bytebites.example/workshop/shared/bytebites/service"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		c := service.Baseline()
		baseline.Apply(&c)
		return c, nil
	}))
}
