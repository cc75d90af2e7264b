// Command performance measures parts of the workshop beside the plainest program that does the
// same work, and prints the figures as the block of docs/performance.md. With -write it replaces
// that block. It judges nothing: the block shows each goal beside its figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// timeout bounds a section that does not claim the machine itself.
const timeout = 2 * time.Minute

func main() {
	write := flag.Bool("write", false, "replace the block of "+document)
	only := flag.String("only", "", "measure these `sections` only, separated by commas: "+strings.Join(sectionNames(), ", "))
	profiles := flag.String("profiles", "", "write CPU profiles into this `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *write, *only, stand{report: progress.Stderr(), profiles: *profiles}); err != nil {
		fmt.Fprintf(os.Stderr, "performance: %v\n", err)
		os.Exit(1)
	}
}

// stand is what a section has to work with.
type stand struct {
	report   *progress.Reporter
	profiles string // folder for CPU profiles; none when empty
}

// section measures a part of the block.
type section struct {
	name    string
	measure func(context.Context, stand, *block) error
	// claims says that the section claims the machine itself. Such sections come first.
	claims bool
}

func sections() []section {
	return []section{
		{name: "phases", measure: phases, claims: true},
		{name: "relay", measure: relays},
		{name: "meal", measure: meals},
		{name: "load", measure: generators},
		{name: "statements", measure: statements},
	}
}

func sectionNames() (names []string) {
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

// choose returns the sections of a list of names, or all for an empty list.
func choose(list string) ([]section, error) {
	if list == "" {
		return sections(), nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(sectionNames(), name) {
			return nil, fmt.Errorf("unknown section %q: choose from %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	return slices.DeleteFunc(sections(), func(s section) bool { return !slices.Contains(names, s.name) }), nil
}

func run(ctx context.Context, write bool, only string, s stand) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if write && only != "" {
		return errors.New("-write needs all sections: leave out -only")
	}
	b := block{date: time.Now().UTC()}
	release := func() {}
	defer func() { release() }()
	for _, section := range chosen {
		if !section.claims && b.slowness == 0 {
			// One claim for all that follows, because another run may take the machine in between.
			claimed, err := hostlock.Slot(ctx, func(holder string) { s.report.Note("waiting for the machine, held by %s", holder) })
			if err != nil {
				return err
			}
			release = claimed
			b.slowness = hostspeed.Slowness() // nothing else of the workshop runs now
		}
		began := time.Now()
		if err := section.run(ctx, s, &b); err != nil {
			return fmt.Errorf("measure %s: %w", section.name, err)
		}
		b.took += time.Since(began)
	}
	b.took -= b.waited()
	if b.slowness == 0 { // only sections that claim the machine themselves
		b.slowness = hostspeed.Slowness()
	}
	fmt.Print(b.markdown())
	if !write {
		return nil
	}
	root, err := modroot.Root()
	if err != nil {
		return err
	}
	return b.writeInto(filepath.Join(root, document))
}

// run measures the section within timeout. A section that claims the machine may wait for it, and
// what it runs has limits of its own.
func (s section) run(ctx context.Context, at stand, b *block) error {
	if !s.claims {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hostspeed.Wait(timeout))
		defer cancel()
	}
	return s.measure(ctx, at, b)
}
