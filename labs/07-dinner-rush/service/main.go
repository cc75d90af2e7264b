// Command service is ByteBites with all labs below lab 07. Those that --mine names are the learner's own,
// and the others are solutions.
package main

import (
	"flag"
	"os"

	"bytebites.example/workshop/labs/07-dinner-rush/mine"
	"bytebites.example/workshop/shared/bytebites/service"
)

func main() {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	own := flags.String("mine", "", "numbers of the labs that are the learner's own, such as 00,03")
	os.Exit(service.Main(flags, os.Args[1:], os.Stderr, func() (service.Composition, error) {
		choice, err := mine.Parse(*own)
		if err != nil {
			return service.Composition{}, err
		}
		return choice.Compose(), nil
	}))
}
