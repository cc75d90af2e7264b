package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/shared/bytebites"
)

// sessionFor is the longest time to live of a session's entry. It bounds how long a subscriber
// stays signed in after a sign-out whose deletion was lost.
const sessionFor = 10 * time.Minute

// Sessions puts the cache in front of the sessions.
func (c *Cache) Sessions(store bytebites.Sessions) bytebites.Sessions {
	return &sessions{Sessions: store, sessions: &reader[[32]byte, bytebites.Session]{
		cache: c, kind: "session", name: sessionName, ttl: keepSession,
		load: kit.OneByOne(func(ctx context.Context, tokenHash [32]byte) (bytebites.Session, bool, error) {
			session, err := store.Session(ctx, tokenHash)
			if errors.Is(err, bytebites.ErrNotFound) {
				return session, false, nil
			}
			return session, true, err
		}),
	}}
}

// sessions writes sessions through the cache.
type sessions struct {
	bytebites.Sessions
	sessions *reader[[32]byte, bytebites.Session]
}

func sessionName(tokenHash [32]byte) string { return hex.EncodeToString(tokenHash[:]) }

// keepSession returns how long a session is kept: never longer than it lasts.
func keepSession(s bytebites.Session) time.Duration {
	return min(time.Until(s.ExpiresAt), sessionFor)
}

// Create stores a session: in the database, where it is safe, and then in Redis, because the next
// request of the subscriber comes at once.
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
	// An entry may outlive its session. And a mistake in a key must never sign a subscriber in as
	// another one.
	if !exists || session.TokenHash != tokenHash || !session.ExpiresAt.After(time.Now()) {
		return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, nil
}

// Delete deletes a session: in the database, and then in Redis, also when the client has
// disconnected. While Redis is away, the sign-out succeeds all the same.
func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	forget := s.forgetting(ctx, tokenHash)
	err := s.Sessions.Delete(ctx, tokenHash)
	forget(context.WithoutCancel(ctx))
	return err
}
