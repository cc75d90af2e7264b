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

// The goals of a move beside its phases.
const (
	// Back is where everything was before the move.
	Back = "back"
	// Done is when the move is over, and there is no way back any more.
	Done = "done"
)

// Move moves user data to a goal: the name of a phase, Back or Done. It may end at any moment,
// and what calls it next goes on.
type Move func(ctx context.Context, r service.Resources, mover *shard.Mover, goal string) error

// Role returns the role that moves user data, to the goal that its only argument names. It takes
// the mover's turn, and before a move begins it demands that sharding is called for (see
// package preflight) and prepares all servers.
func Role(move Move) service.Job {
	return func(ctx context.Context, r service.Resources, args []string) (err error) {
		if len(args) != 1 {
			return fmt.Errorf("want one goal: %s", strings.Join(goals(), ", "))
		}
		goal := args[0]
		if !slices.Contains(goals(), goal) {
			return fmt.Errorf("there is no goal %q, there are %s", goal, strings.Join(goals(), ", "))
		}
		if len(r.Shards) == 0 {
			return errors.New("there are no shards: BYTEBITES_SHARD_DBS")
		}
		mover, err := shard.NewMover(ctx, r.Catalogue, Pools(r), r.Logger)
		if err != nil {
			return fmt.Errorf("take turn: %w", err)
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

// ready looks whether a move may begin, and makes the servers ready for it.
func ready(ctx context.Context, r service.Resources, now shard.Map) error {
	if slices.Contains(now.Home[:], shard.Old) { // else sharding is no question any more
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
	return shard.Prepare(ctx, server)
}

// allowed returns an error while there is something that should be done before sharding.
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
		return fmt.Errorf("pre-flight, to be done before:\n%s", strings.Join(report.Findings(), "\n"))
	}
	return nil
}
