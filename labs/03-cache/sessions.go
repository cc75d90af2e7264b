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

// keepSession returns how long a session is kept.
func keepSession(bytebites.Session) time.Duration {
	// TODO(lab 03): step 6. Keep a session for ten minutes, and never longer than it lasts.
	return time.Hour
}

// Create stores a session.
func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	// TODO(lab 03): step 6. If the database refuses the session, Redis has it all the same, and the
	// subscriber is signed in. Store it in the database first.
	s.sessions.write(ctx, session.TokenHash, session)
	return s.Sessions.Create(ctx, session)
}

// Session returns a session that has not expired, or ErrNotFound.
func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	found, err := s.sessions.get(ctx, [][32]byte{tokenHash})
	if err != nil {
		return bytebites.Session{}, err
	}
	session, exists := found[tokenHash]
	// TODO(lab 03): step 6. An entry may outlive its session. Compare the expiry too.
	if !exists || session.TokenHash != tokenHash {
		return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, nil
}

// Delete deletes a session.
func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	// TODO(lab 03): step 6. A reader that misses the deleted entry now finds the session in the
	// database, and stores it again. Delete the entry after the session, also when the client
	// has disconnected.
	forget := s.forgetting(ctx, tokenHash)
	forget(ctx)
	return s.Sessions.Delete(ctx, tokenHash)
}
