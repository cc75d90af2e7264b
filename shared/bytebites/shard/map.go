package shard

import (
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

// Buckets is the number of buckets that all subscribers are divided into. It never changes, and
// neither does a subscriber's bucket. A move moves buckets from server to server.
const Buckets = 1024

// Bucket is the number of a bucket, 0 to Buckets-1.
type Bucket int

// Server numbers the servers of user data.
type Server int

// Old is the server that has all user data before the first move. The shards are 1 and up.
const Old Server = 0

// Phase is the state of a move. Its texts, which people type and read, are "settled", "new-users",
// "double-writes", "backfill", "verify", "dark-reads" and "flipped".
type Phase int

// The phases, in order.
const (
	// Settled: no bucket moves; every bucket is at home.
	Settled Phase = iota
	// NewUsers: new subscribers of moving buckets have the target as home, and their writes are
	// mirrored back.
	NewUsers
	// DoubleWrites: writes of the other subscribers go to their home and are mirrored to the
	// target.
	DoubleWrites
	// Backfill: as DoubleWrites; subscribers without a write since then are being copied.
	Backfill
	// Verify: as DoubleWrites; both servers are being compared.
	Verify
	// DarkReads: as DoubleWrites; reads are also made on the target, and compared.
	DarkReads
	// Flipped: the target is the home of all subscribers, and writes are mirrored back.
	Flipped
)

var phaseNames = [...]string{"settled", "new-users", "double-writes", "backfill", "verify", "dark-reads", "flipped"}

// Phases returns all phases, in order.
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

// ParsePhase returns the phase with that name.
func ParsePhase(text string) (Phase, error) {
	for i, name := range phaseNames {
		if name == text {
			return Phase(i), nil
		}
	}
	return 0, fmt.Errorf("no phase %q", text)
}

// Assignment gives a server for each bucket.
type Assignment [Buckets]Server

// Map says where the data of each subscriber is.
type Map struct {
	// Version grows by one with each change.
	Version int64
	Phase   Phase
	// Source is the present server of each bucket: a bucket that moves leaves it.
	Source Assignment
	// Target is the future server of each bucket. For a bucket that stays, it is the source.
	Target Assignment
	// NewFrom separates new subscribers from others, from phase NewUsers on. A subscriber with this
	// id or a greater one is new. If it is empty, nobody is new. Ids grow with time; see
	// bytebites.NewUserID.
	NewFrom bytebites.UserID
	// Cursor is the last subscriber that the backfill has processed; see Mover.SaveCursor.
	Cursor bytebites.UserID
}

// Moves reports whether a bucket is moving.
func (m Map) Moves(b Bucket) bool { return m.Phase != Settled && m.Source[b] != m.Target[b] }

// Place names the servers that have a subscriber's data.
type Place struct {
	Home Server
	// Mirror has a copy of the data at Home, or is about to get one. It equals Home if there is no
	// copy.
	Mirror Server
}

// Mirrored reports whether writes to Home must be marked and copied.
func (p Place) Mirrored() bool { return p.Mirror != p.Home }

// Router is the arithmetic part of sharding. It has no state and gives the same answers in every
// process.
type Router interface {
	// Bucket returns the bucket of a subscriber. Every text is a valid id.
	Bucket(user bytebites.UserID) Bucket
	// NewOrderID returns a new order id for a subscriber. The id names the subscriber's bucket.
	NewOrderID(user bytebites.UserID) bytebites.OrderID
	// BucketOf returns the bucket that an order's id names. It returns false for an id without a
	// bucket, such as the ids from before sharding.
	BucketOf(order bytebites.OrderID) (Bucket, bool)
	// Plan returns the target of each bucket for the given servers and the buckets' sources. It
	// moves as few buckets as possible, and each server gets its share.
	Plan(source Assignment, servers []Server) Assignment
	// Place returns the servers that have a subscriber's data, according to the map.
	Place(m Map, user bytebites.UserID) Place
}

var (
	// ErrMoved says that a server's fence is closed, or at another version of the map. Nothing was
	// written. Read the map again and retry.
	ErrMoved = errors.New("the map has changed")
	// ErrStale says that the map could not be read for so long that it must not be used.
	ErrStale = fmt.Errorf("map out of date: %w", bytebites.ErrBusy)
)
