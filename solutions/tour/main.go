// Command tour plays the story of ByteBites on real servers. It gives each claim of the story the load
// under which its bottleneck rules, and prints the claim beside the measured figures. A row is one round:
// enough to see the story, too little to judge code by. `check NN` judges.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page"
)

// exitUsage is the exit code of a command line that cannot be understood.
const exitUsage = 64

func main() {
	os.Exit(run())
}

func run() int {
	only := flag.String("only", "", "`parts` of the story to play, with commas between them")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go tool workshop tour [--only PARTS]\n\n"+
			"Prints the story on standard output, progress on standard error, and, where the\n"+
			"environment variable %s names a file, writes the numbers there as JSON.\n\n", lab.EnvResult)
		flag.PrintDefaults()
	}
	flag.Parse()
	chosen, err := choose(acts(), *only)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tour: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = tour(ctx, progress.Stderr(), chosen)
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

// tour plays the chosen acts. After an error it still prints the rows that were measured before.
func tour(ctx context.Context, report *progress.Reporter, chosen []act) (err error) {
	release, err := hostlock.Slot(ctx, func(holder string) { report.Note("waiting for the machine, held by %s", holder) })
	if err != nil {
		return err
	}
	defer release()
	s := newShow(report, chosen)
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	story, failed := s.play(ctx)
	defer func() { err = errors.Join(failed, err) }()
	if len(story.Rows) == 0 {
		return nil
	}
	if path := os.Getenv(lab.EnvResult); path != "" {
		if err := story.WriteFile(path); err != nil {
			return err
		}
		if err := page.Save(strings.TrimSuffix(path, filepath.Ext(path))+".html", story.Page()); err != nil {
			return err
		}
	}
	return story.Print(os.Stdout)
}
