package wrong

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites"
)

// The names of the variants that are right and differ from the solution.
const (
	Generations = "generations"
	WholeMenu   = "whole-menu"
	Tombstones  = "tombstones"
	LongLived   = "long-lived"
)

// differences are what a right answer does in another way than the solution. All are simple caches:
// pages are kept whole, under a generation of the menu.
type differences struct {
	wholeMenu  bool // the whole menu is one entry, from which a replica picks its pages
	tombstones bool // sessions are hashes, and a sign-out leaves a mark in place of a deletion
	longLived  bool // all are kept for nearly as long as they may
}

func rightVariants() map[string]differences {
	return map[string]differences{
		Generations: {},
		WholeMenu:   {wholeMenu: true},
		Tombstones:  {tombstones: true},
		LongLived:   {longLived: true},
	}
}

// stretched turns a time to live of the simple cache into nearly the longest that is allowed.
func stretched(ttl time.Duration) time.Duration {
	switch {
	case ttl > sessionFor:
		return 115 * time.Minute
	case ttl > popularFor:
		return ttl // a session ends when it expires
	case ttl > absentFor:
		return 4*time.Minute + 50*time.Second
	default:
		return 55 * time.Second
	}
}

// menuBatch is how many meals the store returns at most.
const menuBatch = 100

// menuPage picks a page from the menu, which is one entry.
func (c *catalogue) menuPage(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	whole, err := menu(ctx, c.cache, "whole", c.wholeMenu)
	if err != nil {
		return nil, err
	}
	var page []bytebites.Meal
	for _, meal := range whole {
		if len(page) < min(f.Limit, menuBatch) && meal.ID > f.After && (f.Cuisine == "" || meal.Cuisine == f.Cuisine) &&
			(f.Diet == "" || slices.Contains(meal.Diets, f.Diet)) {
			page = append(page, meal)
		}
	}
	return page, nil
}

// wholeMenu reads all meals, in order of id.
func (c *catalogue) wholeMenu(ctx context.Context) ([]bytebites.Meal, error) {
	var all []bytebites.Meal
	for after := bytebites.MealID(""); ; {
		some, err := c.Catalogue.Meals(ctx, bytebites.MealFilter{After: after, Limit: menuBatch})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < menuBatch {
			return all, nil
		}
		after = some[len(some)-1].ID
	}
}

// marked is sessions that are hashes in Redis. The field out says that the session is signed out.
type marked struct {
	bytebites.Sessions
	cache *simple
}

const (
	markedFor  = 20 * time.Minute
	signedOut  = "out"
	storedJSON = "session"
)

func (m *marked) key(tokenHash [32]byte) string {
	return m.cache.sessionKey(tokenHash) + ":hash"
}

func (m *marked) put(ctx context.Context, session bytebites.Session) {
	text, err := json.Marshal(session)
	if err != nil {
		return
	}
	// The store does not answer for a session that has expired, so it need not be kept either.
	_, _ = m.cache.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSetNX(ctx, m.key(session.TokenHash), storedJSON, text)
		pipe.PExpire(ctx, m.key(session.TokenHash), min(markedFor, max(time.Until(session.ExpiresAt), time.Millisecond)))
		return nil
	})
}

// Create stores a session and puts it into Redis.
func (m *marked) Create(ctx context.Context, session bytebites.Session) error {
	if err := m.Sessions.Create(ctx, session); err != nil {
		return err
	}
	m.put(ctx, session)
	return nil
}

// Session returns a session that has neither expired nor been signed out.
func (m *marked) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	none := fmt.Errorf("session: %w", bytebites.ErrNotFound)
	fields, err := m.cache.redis.HGetAll(ctx, m.key(tokenHash)).Result()
	if err != nil {
		return m.Sessions.Session(ctx, tokenHash)
	}
	if fields[signedOut] != "" {
		return bytebites.Session{}, none
	}
	var session bytebites.Session
	if json.Unmarshal([]byte(fields[storedJSON]), &session) == nil {
		if session.TokenHash != tokenHash || !time.Now().Before(session.ExpiresAt) {
			return bytebites.Session{}, none
		}
		return session, nil
	}
	session, err = m.Sessions.Session(ctx, tokenHash)
	if err == nil {
		m.put(ctx, session)
	}
	return session, err
}

// Delete deletes a session and marks it as signed out, so that no reader puts it back.
func (m *marked) Delete(ctx context.Context, tokenHash [32]byte) error {
	err := m.Sessions.Delete(ctx, tokenHash)
	ctx = context.WithoutCancel(ctx)
	if err != nil { // the commit may have gone through, or not: the database is asked next time
		_ = m.cache.redis.Del(ctx, m.key(tokenHash)).Err() // if Redis does not answer, it forgets the session in time
		return err
	}
	// If Redis does not answer, it forgets the session in time.
	_, _ = m.cache.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Del(ctx, m.key(tokenHash))
		pipe.HSet(ctx, m.key(tokenHash), signedOut, "1")
		pipe.PExpire(ctx, m.key(tokenHash), markedFor)
		return nil
	})
	return nil
}
