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
	// TODO(lab 03): add a reader of sessions. oneByOne makes its load function from the
	// store's Session.
}

// Create stores a session.
func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	// TODO(lab 03): write the session through: to the database first, then to Redis,
	// because the next request comes at once. In the other order a session that is only in
	// Redis is lost with Redis.
	return s.Sessions.Create(ctx, session)
}

// Session returns a session that has not expired, or ErrNotFound.
func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	// TODO(lab 03): read the session through the cache: each request of a signed-in
	// subscriber calls this. An entry in Redis may outlive its session, so compare the
	// expiry.
	return s.Sessions.Session(ctx, tokenHash)
}

// Delete forgets a session.
func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	// TODO(lab 03): delete the session from the cache too, after the database: a subscriber
	// that has signed out must stay signed out. If Redis does not answer, the sign-out
	// succeeds all the same.
	return s.Sessions.Delete(ctx, tokenHash)
}
