// Command service is ByteBites with the solutions of the labs in it.
//
//	service                 the slow monolith
//	service --through 03    the solutions of labs 00 to 03
//	service --through 03 --variant NAME
//	                        the same with one part replaced by a wrong answer
//
// It is configured by environment variables: see service.FromEnv.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/shared/bytebites/service"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	through := flags.String("through", "", "last `lab` whose solution is applied; none when not given")
	variant := flags.String("variant", "", "`name` of a wrong answer that takes a solution's place")
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		return compose(solutions(), variants(), *through, *variant)
	}))
}
