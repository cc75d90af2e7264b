// Command workshop is the workshop's command line: go tool workshop -h.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"bytebites.example/workshop/shared/workshop/cli"
)

// secondInterrupt is when another Ctrl-C ends the program at once. Not sooner: `go tool`
// passes on the signal that the terminal has sent to both, so one Ctrl-C arrives twice.
const secondInterrupt = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(secondInterrupt, stop) })
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
