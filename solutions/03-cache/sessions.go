package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// sessionFor is how long a session is kept, if it does not expire before. It bounds how long
// a session may outlive its sign-out when the deletion is lost together with the replica
// that owes it; that is why it is short.
const sessionFor = 10 * time.Minute

// Sessions puts the cache in front of who is signed in.
func (c *Cache) Sessions(store bytebites.Sessions) bytebites.Sessions {
	return &sessions{
		Sessions: store,
		sessions: &reader[[32]byte, bytebites.Session]{
			cache: c, kind: "session",
			name: func(tokenHash [32]byte) string { return hex.EncodeToString(tokenHash[:]) },
			keep: func(s bytebites.Session) time.Duration { return min(time.Until(s.ExpiresAt), sessionFor) },
			load: oneByOne(func(ctx context.Context, tokenHash [32]byte) (bytebites.Session, bool, error) {
				session, err := store.Session(ctx, tokenHash)
				if errors.Is(err, bytebites.ErrNotFound) {
					return session, false, nil
				}
				return session, true, err
			}),
		},
	}
}

// sessions writes sessions through the cache: to the store first, which is where they are
// safe, and then to Redis, because the next request of whoever has signed in comes at once.
type sessions struct {
	bytebites.Sessions
	sessions *reader[[32]byte, bytebites.Session]
}

// Create stores a session.
func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	if err := s.Sessions.Create(ctx, session); err != nil {
		return err
	}
	s.sessions.write(ctx, session.TokenHash, session)
	return nil
}

// Session returns a session that has not expired, or ErrNotFound.
func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	found, err := s.sessions.get(ctx, [][32]byte{tokenHash})
	if err != nil {
		return bytebites.Session{}, err
	}
	session, exists := found[tokenHash]
	// Whatever stands under a key: a session is the one that was asked for, or none.
	if !exists || session.TokenHash != tokenHash || !session.ExpiresAt.After(time.Now()) {
		return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, nil
}

// Delete forgets a session: nobody can use it any more when this has returned, unless Redis
// cannot be reached. A token without a session, which anybody can invent, leaves no deletion
// owed to Redis.
func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	_, before := s.Sessions.Session(ctx, tokenHash)
	err := s.Sessions.Delete(ctx, tokenHash)
	if errors.Is(before, bytebites.ErrNotFound) {
		s.sessions.tryForget(ctx, tokenHash)
	} else {
		s.sessions.forget(ctx, tokenHash)
	}
	return err
}
