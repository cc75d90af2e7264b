package shardstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shard/preflight"
)

// The goals of a move that are not phases.
const (
	// Back is the state before the move.
	Back = "back"
	// Done is the end of the move. A move that is done cannot go back.
	Done = "done"
)

// Move moves user data to a goal: the name of a phase, Back or Done. It may be interrupted at any
// moment, and the next call continues.
type Move func(ctx context.Context, r service.Resources, mover *shard.Mover, goal string) error

// Role returns the role that moves user data to the goal that its only argument names. It takes the
// mover's lock. Before a move begins, it runs the pre-flight check (see package preflight) and
// prepares all servers.
func Role(move Move) service.Job {
	return func(ctx context.Context, r service.Resources, args []string) (err error) {
		if len(args) != 1 {
			return fmt.Errorf("expected one goal: %s", strings.Join(goals(), ", "))
		}
		goal := args[0]
		if !slices.Contains(goals(), goal) {
			return fmt.Errorf("unknown goal %q: choose from %s", goal, strings.Join(goals(), ", "))
		}
		if len(r.Shards) == 0 {
			return errors.New("no shards configured: set BYTEBITES_SHARD_DBS")
		}
		mover, err := shard.NewMover(ctx, r.Catalogue, Pools(r), r.Logger)
		if err != nil {
			return fmt.Errorf("take mover lock: %w", err)
		}
		defer func() { err = errors.Join(err, mover.Close()) }()
		if now := mover.Map(); now.Phase == shard.Settled && goal != Back {
			if err := ready(ctx, r, now); err != nil {
				return err
			}
		}
		return move(ctx, r, mover, goal)
	}
}

func goals() []string {
	all := []string{Back}
	for _, phase := range shard.Phases() {
		if phase != shard.Settled {
			all = append(all, phase.String())
		}
	}
	return append(all, Done)
}

// ready checks whether a move may begin, and prepares the servers for it.
func ready(ctx context.Context, r service.Resources, now shard.Map) error {
	if slices.Contains(now.Source[:], shard.Old) { // otherwise the data is sharded already
		if err := allowed(ctx, r); err != nil {
			return err
		}
	}
	var preparing errgroup.Group
	for number, pool := range Pools(r) {
		preparing.Go(func() error {
			if err := prepare(ctx, r, pool); err != nil {
				return fmt.Errorf("prepare server %d: %w", number, err)
			}
			return nil
		})
	}
	return preparing.Wait()
}

func prepare(ctx context.Context, r service.Resources, server *sql.DB) error {
	if err := r.PrepareUserData(ctx, server); err != nil {
		return err
	}
	return r.ForSchema(ctx, server, shard.Prepare)
}

// allowed returns an error if other measures should come before sharding.
func allowed(ctx context.Context, r service.Resources) error {
	report, err := preflight.Check(ctx, r.UserData, preflight.Machine{
		Type: os.Getenv(preflight.EnvType), Largest: os.Getenv(preflight.EnvLargest),
	})
	if err != nil {
		return err
	}
	for _, note := range report.Notes() {
		r.Logger.InfoContext(ctx, "pre-flight", "note", note)
	}
	if !report.Allowed() {
		return fmt.Errorf("pre-flight: do this before sharding:\n%s", strings.Join(report.Findings(), "\n"))
	}
	return nil
}
