package seed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Spread is the data of a Size, divided over one catalogue server and several servers of user data.
// The rows are those of the Size: the shares of all servers together have each row once.
type Spread struct {
	size    Size
	servers int
	homes   []int // of each subscriber, by number - 1
}

// NewSpread divides the data over servers of user data, which are numbered from 1. home returns the
// server of a subscriber. The error names the first subscriber whose server does not exist.
func NewSpread(size Size, servers int, home func(bytebites.UserID) int) (Spread, error) {
	s := Spread{size: size, servers: servers, homes: make([]int, size.Users)}
	for i := range s.homes {
		user := User(1 + i)
		s.homes[i] = home(user)
		if s.homes[i] < 1 || s.homes[i] > servers {
			return Spread{}, fmt.Errorf("spread data: %s is on server %d, want 1 to %d", user, s.homes[i], servers)
		}
	}
	return s, nil
}

// Catalogue is the share of the catalogue server: meals, stock and accounts. Its tables of user data
// are there, and empty.
func (s Spread) Catalogue() Share { return Share{size: s.size} }

// UserData is the share of a server of user data, counted from 1. It has no tables of the catalogue.
func (s Spread) UserData(server int) Share {
	share := Share{size: s.size, server: server, here: make(pq.BoolArray, len(s.homes))}
	for i, home := range s.homes {
		share.here[i] = home == server
	}
	return share
}

// Share is the part of a Spread that one server has.
type Share struct {
	size   Size
	server int          // 0 is the catalogue server
	here   pq.BoolArray // whether the server has a subscriber's data, by number - 1
}

// Size is the size of the whole data.
func (s Share) Size() Size { return s.size }

// Users is the number of subscribers whose data the server has.
func (s Share) Users() int {
	n := 0
	for _, here := range s.here {
		if here {
			n++
		}
	}
	return n
}

// Key identifies the rows of the share, as Size.Key identifies those of a Size.
func (s Share) Key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "share %s server %d of", s.size.Key(), s.server)
	for _, here := range s.here {
		fmt.Fprintf(sum, " %t", here)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// String describes the share for a line of progress.
func (s Share) String() string {
	if s.server == 0 {
		return fmt.Sprintf("a catalogue of %d meals and %d accounts", s.size.Meals, s.size.Users)
	}
	return fmt.Sprintf("shard %d with %d of %d subscribers", s.server, s.Users(), s.size.Users)
}

// Fill fills an empty database with the share, see the function Fill.
func (s Share) Fill(ctx context.Context, databaseURL string) error {
	return fill(ctx, databaseURL, content{Size: s.size, catalogue: s.server == 0, userData: s.server > 0, here: s.here})
}
