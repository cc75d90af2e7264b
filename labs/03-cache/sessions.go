package cache

import (
	"context"

	"bytebites.example/workshop/shared/bytebites"
)

// Sessions puts the cache in front of who is signed in.
func (c *Cache) Sessions(store bytebites.Sessions) bytebites.Sessions {
	return &sessions{Sessions: store}
}

// sessions remembers who is signed in.
type sessions struct {
	bytebites.Sessions
	// TODO(lab 03): a reader of sessions. oneByOne makes its load of the store's Session.
}

// Create stores a session.
func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	// TODO(lab 03): write it through: to the database, and when it is safe there to Redis too,
	// for the next request comes at once. Not the other way round: what is only in Redis is
	// gone with it, and people with it.
	return s.Sessions.Create(ctx, session)
}

// Session returns a session that has not expired, or ErrNotFound.
func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	// TODO(lab 03): each request of somebody signed in asks this. And an entry in Redis may
	// outlive the session that is in it.
	return s.Sessions.Session(ctx, tokenHash)
}

// Delete forgets a session.
func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	// TODO(lab 03): who has signed out is signed out.
	return s.Sessions.Delete(ctx, tokenHash)
}
