// Command tour takes the slow monolith through the labs' solutions on real servers, sends
// each step a dinner rush and prints what was measured, one round a step: enough to see
// the story, too little to judge by. `check NN` judges.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/lab"
)

func main() {
	os.Exit(run())
}

func run() int {
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go tool workshop tour\n\n"+
			"Prints the story on standard output, progress on standard error, and, where the\n"+
			"environment variable %s names a file, writes the numbers there as JSON.\n", lab.EnvResult)
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := tour(ctx, progress.Stderr())
	var unavailable *engine.Unavailable
	switch {
	case err == nil:
		return lab.Pass.ExitCode()
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "tour: stopped; its servers are gone")
		return 130
	case errors.As(err, &unavailable):
		fmt.Fprintf(os.Stderr, "tour: %v\n", err)
		return lab.Environment.ExitCode()
	default:
		fmt.Fprintf(os.Stderr, "tour: %v\nnext: go tool workshop doctor\n", err)
		return lab.Environment.ExitCode()
	}
}

func tour(ctx context.Context, report *progress.Reporter) (err error) {
	release, err := hostlock.Slot(ctx, func(holder string) { report.Note("waiting for the machine, held by %s", holder) })
	if err != nil {
		return err
	}
	defer release()
	show, err := open(ctx, report)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.close()) }()
	story, err := show.play(ctx)
	if err != nil {
		return err
	}
	if path := os.Getenv(lab.EnvResult); path != "" {
		if err := story.writeFile(path); err != nil {
			return err
		}
	}
	return story.print(os.Stdout)
}
