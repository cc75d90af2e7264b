// Command workshop is the workshop's command line: go tool workshop -h.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"bytebites.example/workshop/shared/userenv"
	"bytebites.example/workshop/shared/workshop/cli"
	"bytebites.example/workshop/shared/workshop/lab"
)

// secondInterrupt is how long after the first Ctrl-C another one ends the program at once. It is
// not shorter because one Ctrl-C arrives twice: the terminal sends the signal to both processes,
// and `go tool` passes it on.
const secondInterrupt = time.Second

func main() {
	if err := userenv.Forget(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(lab.Environment.ExitCode())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(secondInterrupt, stop) })
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
