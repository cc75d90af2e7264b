package shard_test

import (
	"errors"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

func TestPhases(t *testing.T) {
	all := shard.Phases()
	if len(all) != 7 || all[0] != shard.Settled || all[6] != shard.Flipped {
		t.Fatalf("phases are %v", all)
	}
	for i, phase := range all {
		if got, err := shard.ParsePhase(phase.String()); err != nil || got != phase || int(got) != i {
			t.Errorf("%v: parsed as %v, error %v", phase, got, err)
		}
	}
	for _, text := range []string{"", "Settled", "settled ", "phase 7", "done"} {
		if phase, err := shard.ParsePhase(text); err == nil {
			t.Errorf("%q was parsed as %v", text, phase)
		}
	}
	for phase, want := range map[shard.Phase]string{-1: "phase -1", 7: "phase 7"} {
		if got := phase.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestMoves(t *testing.T) {
	m := shard.Map{Target: shard.Assignment{1: 2}}
	for _, phase := range shard.Phases() {
		m.Phase = phase
		if m.Moves(0) || m.Moves(1) != (phase != shard.Settled) {
			t.Errorf("%v: a bucket that stays moves: %t; one that goes: %t", phase, m.Moves(0), m.Moves(1))
		}
	}
	if (shard.Place{Home: 1, Mirror: 1}).Mirrored() || !(shard.Place{Home: 1, Mirror: 2}).Mirrored() {
		t.Error("a place is mirrored if its mirror is another server")
	}
}

func TestStaleIsBusy(t *testing.T) {
	if !errors.Is(shard.ErrStale, bytebites.ErrBusy) || errors.Is(shard.ErrMoved, bytebites.ErrBusy) {
		t.Error("a map that is out of date is a bounded resource without room, a fence that was moved is not")
	}
}
