package wrong

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	patience    = 120 * time.Millisecond
	menuFor     = time.Hour
	popularFor  = time.Minute
	sessionFor  = 10 * time.Minute
	absentFor   = 30 * time.Second
	loadTimeout = 5 * time.Second
	prefix      = "simple:"
)

// simple is a cache without leases and without a breaker. Meals are kept by id; pages and
// all else that shows several meals are kept whole, under a generation of the menu that
// ends when a meal changes. But for its mistakes it would pass all core checks.
type simple struct {
	mistakes
	redis  *redis.Client
	flight singleflight.Group
}

func open(r service.Resources, wrong mistakes) *simple {
	s := &simple{mistakes: wrong, redis: redis.NewClient(&redis.Options{
		Addr: r.Config.RedisAddr, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		MaxRetries: -1, DialerRetries: 1,
		PoolSize: 16, PoolTimeout: time.Second, // a crowd waits for its turn
	})}
	r.OnClose(s.redis.Close)
	return s
}

// kept is an entry: a value, or that there is none.
type kept[T any] struct {
	Absent bool
	Value  T
}

func (k kept[T]) result() (T, error) {
	if k.Absent {
		return k.Value, fmt.Errorf("cache: %w", bytebites.ErrNotFound)
	}
	return k.Value, nil
}

// through returns what is kept under a key, or else loads it and keeps it.
func through[T any](ctx context.Context, s *simple, key string, ttl time.Duration, load func(context.Context) (T, error)) (T, error) {
	text, err := s.redis.Get(ctx, key).Bytes()
	if err == nil {
		var entry kept[T]
		if err = json.Unmarshal(text, &entry); err == nil {
			return entry.result()
		}
	}
	var none T
	if s.needsRedis && !errors.Is(err, redis.Nil) {
		return none, err
	}
	work := func(ctx context.Context) (any, error) {
		value, err := load(ctx)
		absent := errors.Is(err, bytebites.ErrNotFound) || err != nil && s.cachesErrors
		if err != nil && !absent {
			return none, err
		}
		entry := kept[T]{Absent: absent, Value: value}
		if absent {
			ttl = absentFor
		}
		s.keep(ctx, key, entry, ttl)
		return entry.result()
	}
	if s.noSingleFlight {
		value, err := work(ctx)
		return value.(T), err
	}
	loading := s.flight.DoChan(key, func() (any, error) {
		ctx := ctx
		if !s.firstOnesLoad {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.Background(), loadTimeout)
			defer cancel()
		}
		return work(ctx)
	})
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case loaded := <-loading:
		return loaded.Val.(T), loaded.Err
	}
}

// keep puts an entry under a key, if Redis lets it.
func (s *simple) keep(ctx context.Context, key string, entry any, ttl time.Duration) {
	text, err := json.Marshal(entry)
	if err != nil {
		return
	}
	ttl -= time.Duration(0.1 * mathrand.Float64() * float64(ttl))
	if s.neverExpires {
		ttl = 0
	}
	_ = s.redis.Set(ctx, key, text, ttl).Err() // the next one will try again
}

const generationKey = prefix + "generation"

// menuKey returns the name of something that shows several meals, in the present generation.
func (s *simple) menuKey(ctx context.Context, name string) (string, error) {
	generation, err := s.redis.Get(ctx, generationKey).Result()
	if errors.Is(err, redis.Nil) {
		fresh := rand.Text()
		if err = s.redis.SetArgs(ctx, generationKey, fresh, redis.SetArgs{Mode: "NX", TTL: s.generationFor()}).Err(); err == nil {
			generation = fresh
		} else if errors.Is(err, redis.Nil) { // somebody was quicker
			generation, err = s.redis.Get(ctx, generationKey).Result()
		}
	}
	return prefix + generation + ":" + name, err
}

// generationFor is longer than anything of a generation is kept.
func (s *simple) generationFor() time.Duration {
	if s.neverExpires {
		return 0
	}
	return 2 * menuFor
}

// menu reads something that shows several meals.
func menu[T any](ctx context.Context, s *simple, name string, load func(context.Context) (T, error)) (T, error) {
	key, err := s.menuKey(ctx, name)
	if err != nil {
		if s.needsRedis {
			var none T
			return none, err
		}
		return load(ctx)
	}
	return through(ctx, s, key, menuFor, load)
}

// forget ends what is kept of a meal.
func (s *simple) forget(ctx context.Context, id bytebites.MealID) {
	ctx = context.WithoutCancel(ctx)
	if s.neverForgets {
		return
	}
	keys := []string{mealKey(id)}
	if !s.keepsPages {
		keys = append(keys, generationKey)
	}
	_ = s.redis.Del(ctx, keys...).Err() // lost, when Redis does not answer
}

func mealKey(id bytebites.MealID) string { return prefix + "meal:" + string(id) }

// Catalogue puts the cache in front of the meals.
func (s *simple) Catalogue(store bytebites.Catalogue) bytebites.Catalogue {
	return &catalogue{Catalogue: store, cache: s}
}

type catalogue struct {
	bytebites.Catalogue
	cache *simple
}

func (c *catalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	return through(ctx, c.cache, mealKey(id), menuFor, func(ctx context.Context) (bytebites.Meal, error) {
		return c.Catalogue.Meal(ctx, id)
	})
}

func (c *catalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	return menu(ctx, c.cache, "meals:"+joined(ids), func(ctx context.Context) ([]bytebites.Meal, error) {
		return c.Catalogue.MealsByID(ctx, ids)
	})
}

func (c *catalogue) Meals(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	if f.Search != "" || f.MaxPrice != 0 {
		return c.Catalogue.Meals(ctx, f)
	}
	name := fmt.Sprintf("page:%q:%q:%q:%d", f.Cuisine, f.Diet, f.After, f.Limit)
	return menu(ctx, c.cache, name, func(ctx context.Context) ([]bytebites.Meal, error) { return c.Catalogue.Meals(ctx, f) })
}

func (c *catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	if c.cache.forgetsFirst {
		c.cache.forget(ctx, id)
		return c.Catalogue.UpdateMeal(ctx, id, change)
	}
	meal, err := c.Catalogue.UpdateMeal(ctx, id, change)
	c.cache.forget(ctx, id)
	return meal, err
}

func joined(ids []bytebites.MealID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.Quote(string(id))
	}
	return strings.Join(names, ",")
}

// UserData puts the cache in front of ratings and popular meals.
func (s *simple) UserData(stores service.UserData) service.UserData {
	stores.Ratings = &ratings{store: stores.Ratings, cache: s}
	stores.Orders = &orders{Orders: stores.Orders, cache: s}
	return stores
}

type ratings struct {
	store bytebites.Ratings
	cache *simple
}

func (r *ratings) Ratings(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	return menu(ctx, r.cache, "ratings:"+joined(meals), func(ctx context.Context) (map[bytebites.MealID]bytebites.Rating, error) {
		return r.store.Ratings(ctx, meals)
	})
}

// Rate ends the generation: which pages show the meal is not known.
func (r *ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	err := r.store.Rate(ctx, user, meal, stars)
	_ = r.cache.redis.Del(context.WithoutCancel(ctx), generationKey).Err() // lost, when Redis does not answer
	return err
}

type orders struct {
	bytebites.Orders
	cache *simple
}

func (o *orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	return through(ctx, o.cache, prefix+"popular:"+strconv.Itoa(limit), popularFor, func(ctx context.Context) ([]bytebites.Popularity, error) {
		return o.Orders.Popular(ctx, limit)
	})
}

// Sessions puts the cache in front of who is signed in.
func (s *simple) Sessions(store bytebites.Sessions) bytebites.Sessions {
	return &sessions{Sessions: store, cache: s}
}

type sessions struct {
	bytebites.Sessions
	cache *simple
}

func sessionKey(tokenHash [32]byte) string {
	return prefix + "session:" + hex.EncodeToString(tokenHash[:])
}

// writeLater is how long a session waits to be written to the database, together with others.
const writeLater = time.Second

func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	store := func(ctx context.Context) error { return s.Sessions.Create(ctx, session) }
	if s.cache.writeBack {
		time.AfterFunc(writeLater, func() { _ = store(context.Background()) })
	} else if err := store(ctx); err != nil {
		return err
	}
	s.cache.keep(ctx, sessionKey(session.TokenHash), kept[bytebites.Session]{Value: session}, sessionFor)
	return nil
}

func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session, err := through(ctx, s.cache, sessionKey(tokenHash), sessionFor, func(ctx context.Context) (bytebites.Session, error) {
		return s.Sessions.Session(ctx, tokenHash)
	})
	if err == nil && !session.ExpiresAt.After(time.Now()) {
		return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, err
}

func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	err := s.Sessions.Delete(ctx, tokenHash)
	if !s.cache.signedOutStays {
		_ = s.cache.redis.Del(context.WithoutCancel(ctx), sessionKey(tokenHash)).Err() // lost, when Redis does not answer
	}
	return err
}
