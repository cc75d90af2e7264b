package shard

import (
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

// Buckets is how many buckets all subscribers are divided into, for good: what moves from
// server to server later is buckets, and nobody changes theirs.
const Buckets = 1024

// Bucket is one of them, 0 to Buckets-1.
type Bucket int

// Server numbers the servers of user data.
type Server int

// Old is the server that has everybody's data before the first move. The shards are 1 and
// so on.
const Old Server = 0

// Phase says how far a move is. Its texts, which people type and read, are "settled",
// "new-users", "double-writes", "backfill", "verify", "dark-reads" and "flipped".
type Phase int

// The phases, in their order.
const (
	// Settled: nothing moves, every bucket is at home.
	Settled Phase = iota
	// NewUsers: who joins from now on has the target for a home, and is mirrored back.
	NewUsers
	// DoubleWrites: what the others write goes to their home and is mirrored to the target.
	DoubleWrites
	// Backfill: as DoubleWrites; who has not written since is being copied.
	Backfill
	// Verify: as DoubleWrites; both sides are being compared.
	Verify
	// DarkReads: as DoubleWrites; reads are made on the target too, and compared.
	DarkReads
	// Flipped: everybody's home is the target, and what is written is mirrored back.
	Flipped
)

var phaseNames = [...]string{"settled", "new-users", "double-writes", "backfill", "verify", "dark-reads", "flipped"}

// Phases returns all phases, in their order.
func Phases() []Phase {
	all := make([]Phase, len(phaseNames))
	for i := range all {
		all[i] = Phase(i)
	}
	return all
}

func (p Phase) String() string {
	if p < 0 || int(p) >= len(phaseNames) {
		return fmt.Sprintf("phase %d", int(p))
	}
	return phaseNames[p]
}

// ParsePhase returns the phase of that name.
func ParsePhase(text string) (Phase, error) {
	for i, name := range phaseNames {
		if name == text {
			return Phase(i), nil
		}
	}
	return 0, fmt.Errorf("no phase %q", text)
}

// Assignment is a server for each bucket.
type Assignment [Buckets]Server

// Map says where everybody's data is.
type Map struct {
	// Version grows by one with each change.
	Version int64
	Phase   Phase
	Home    Assignment
	// Target is where each bucket will live; its home for a bucket that stays.
	Target Assignment
	// NewFrom parts subscribers by when they joined, from phase NewUsers on: who has this
	// id or a greater one is new. Ids grow with time; see bytebites.NewUserID.
	NewFrom bytebites.UserID
	// Cursor is the subscriber that backfill, or verify, came to last; see Mover.SaveCursor.
	Cursor bytebites.UserID
}

// Moves reports whether a bucket is on its way.
func (m Map) Moves(b Bucket) bool { return m.Phase != Settled && m.Home[b] != m.Target[b] }

// Place says which servers have a subscriber's data.
type Place struct {
	Home Server
	// Mirror has a copy of what is at Home, or is on its way to have one. It is Home itself
	// where there is none.
	Mirror Server
}

// Mirrored reports whether what is written to Home must be marked and copied.
func (p Place) Mirrored() bool { return p.Mirror != p.Home }

// Router is the part of sharding that is arithmetic. It has no state, and the same answer
// in every process.
type Router interface {
	// Bucket returns the bucket of a subscriber. Any text is somebody's id.
	Bucket(user bytebites.UserID) Bucket
	// NewOrderID returns a fresh id for an order of a subscriber, which names their bucket.
	NewOrderID(user bytebites.UserID) bytebites.OrderID
	// BucketOf returns the bucket that an order's id names, and false for an id that names
	// none, as those from before there were buckets.
	BucketOf(order bytebites.OrderID) (Bucket, bool)
	// Plan says where each bucket should live once user data is on these servers, given
	// where it lives now. As few as can be move, and each server gets its share.
	Plan(home Assignment, servers []Server) Assignment
	// Place says which servers have a subscriber's data, by the map.
	Place(m Map, user bytebites.UserID) Place
}

var (
	// ErrMoved says that a server's fence is at another version of the map, or closed.
	// Nothing was written: read the map again.
	ErrMoved = errors.New("the map has changed")
	// ErrStale says that the map could not be read for so long that nobody may rely on it.
	ErrStale = fmt.Errorf("map out of date: %w", bytebites.ErrBusy)
)
