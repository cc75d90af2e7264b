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

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	patience   = 120 * time.Millisecond
	menuFor    = time.Hour
	popularFor = time.Minute
	sessionFor = 10 * time.Minute
	// sessionLength is the length of a session of the service.
	sessionLength = 12 * time.Hour
	absentFor     = 30 * time.Second
	loadTimeout   = 5 * time.Second
	prefix        = "simple:1:"
)

// simple is a cache without leases and without a breaker. Meals are kept by id. Pages and
// other answers with several meals are kept whole, under a generation of the menu. A generation
// ends when a meal changes. But for its mistakes it would pass all core checks.
type simple struct {
	mistakes
	differences
	redis  *redis.Client
	meter  *meter.Meter
	flight singleflight.Group
}

func open(r service.Resources, wrong mistakes, other differences) (service.Cache, error) {
	options := &redis.Options{
		Addr: r.Config.RedisAddr, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		MaxRetries: -1, DialerRetries: 1,
		PoolSize: 16, PoolTimeout: time.Second, // a crowd waits for its turn
	}
	switch {
	case wrong.waitsForRedis:
		options = &redis.Options{Addr: r.Config.RedisAddr}
	case wrong.patientSecond:
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout = time.Second, time.Second, time.Second
	case wrong.impatient:
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
	case wrong.triesAgain:
		options.MaxRetries = 3 // the client's default
	case wrong.onePlace:
		options.PoolSize = 1
	case wrong.hastyCrowd:
		options.PoolTimeout = patience / 2
	}
	counts, err := meter.New(r.Metrics)
	if err != nil {
		return nil, err
	}
	s := &simple{mistakes: wrong, differences: other, redis: redis.NewClient(options), meter: counts}
	r.OnClose(s.redis.Close)
	if wrong.pingsAtStart || wrong.givesUpRedis {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := s.redis.Ping(ctx).Err()
		switch {
		case err == nil:
		case wrong.givesUpRedis:
			return without{}, nil
		default:
			return nil, fmt.Errorf("ping redis: %w", err)
		}
	}
	return s, nil
}

// without is a cache that keeps nothing.
type without struct{}

func (without) Catalogue(c bytebites.Catalogue) bytebites.Catalogue { return c }
func (without) Sessions(s bytebites.Sessions) bytebites.Sessions    { return s }
func (without) UserData(u service.UserData) service.UserData        { return u }

// kept is an entry: a value, or an absence.
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

// through returns the value of a key. It loads and keeps a value that Redis does not have.
func through[T any](ctx context.Context, s *simple, key string, ttl time.Duration, load func(context.Context) (T, error)) (T, error) {
	var none T
	text, err := s.redis.Get(ctx, key).Bytes()
	if err != nil {
		s.look(s.resultOf(err))
	} else {
		var entry kept[T]
		if err = json.Unmarshal(text, &entry); err == nil {
			s.look(s.resultOfEntry(entry.Absent))
			return entry.result()
		}
		s.look(s.resultOfBroken())
		if s.trustsEntries {
			return none, fmt.Errorf("decode %s: %w", key, err)
		}
	}
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
		ttl := ttl
		if absent {
			ttl = absentFor
			if s.absentLong {
				ttl = menuFor
			}
			if s.absentNoUnit {
				ttl = absentFor / time.Second
			}
		}
		if !s.putsNothing && (!absent || !s.loadsUnknown) {
			_ = s.keep(ctx, key, entry, ttl) // the next one will try again
		}
		return entry.result()
	}
	unanswered := err != nil && !errors.Is(err, redis.Nil)
	if s.noSingleFlight || s.awayEachLoads && unanswered || s.pageEachLoads && strings.Contains(key, ":page:") {
		value, err := work(ctx)
		return value.(T), err
	}
	loading := s.flight.DoChan(s.flightName(key), func() (any, error) {
		ctx, cancel := s.loadContext(ctx)
		defer cancel()
		return work(ctx)
	})
	left := ctx.Done()
	if s.leavesLater {
		left = nil
	}
	select {
	case <-left:
		if s.leaverForgets {
			s.flight.Forget(s.flightName(key))
		}
		if s.leaverNone {
			return none, nil
		}
		return none, context.Cause(ctx)
	case loaded := <-loading:
		failed := loaded.Err != nil && !errors.Is(loaded.Err, bytebites.ErrNotFound)
		switch {
		case failed && s.eachOnError:
			value, err := work(ctx)
			return value.(T), err
		case failed && s.hidesErrors:
			return none, errors.New(loaded.Err.Error())
		}
		return loaded.Val.(T), loaded.Err
	}
}

// look counts a look, unless result is empty, which is a mistake. All kinds are counted as one.
func (s *simple) look(result meter.Result) {
	if result != "" {
		s.meter.Looked("any", result)
	}
}

// resultOf returns how a look without an entry is counted.
func (s *simple) resultOf(err error) meter.Result {
	switch {
	case errors.Is(err, redis.Nil):
		return meter.Miss
	case s.bypassUncounted:
		return ""
	default:
		return meter.Bypass
	}
}

// resultOfEntry returns how an entry is counted.
func (s *simple) resultOfEntry(absent bool) meter.Result {
	if absent && !s.absentIsHit {
		return meter.Absent
	}
	return meter.Hit
}

// resultOfBroken returns how an entry that cannot be read is counted.
func (s *simple) resultOfBroken() meter.Result {
	if s.brokenIsHit {
		return meter.Hit
	}
	return meter.Miss
}

// flightName names the load that serves all who miss a key.
func (s *simple) flightName(key string) string {
	if s.unquotedNames {
		return strings.ReplaceAll(key, `"`, "")
	}
	if _, list, ok := strings.Cut(key, ":meals:"); ok && s.joinedKeys {
		var ids []string
		if json.Unmarshal([]byte("["+list+"]"), &ids) == nil {
			return prefix + "meal:" + strings.Join(ids, prefix+"meal:")
		}
	}
	kind, rest, _ := strings.Cut(strings.TrimPrefix(key, prefix), ":")
	switch first, _, several := strings.Cut(rest, ","); {
	case s.oneFlight && (kind == "meal" || kind == "session"):
		return kind
	case s.firstIDLoads && several:
		return kind + first
	case s.endsNameLoad && several:
		return fmt.Sprintf("%s%s%d%s", kind, first, strings.Count(rest, ","), rest[strings.LastIndex(rest, ","):])
	default:
		return key
	}
}

// loadContext is the context of a load that began with a request.
func (s *simple) loadContext(request context.Context) (context.Context, context.CancelFunc) {
	switch {
	case s.firstOnesLoad:
		return request, func() {}
	case s.carriesRequest:
		return context.WithTimeout(context.WithoutCancel(request), loadTimeout)
	case s.endlessLoad:
		return context.Background(), func() {}
	default:
		return context.WithTimeout(context.Background(), loadTimeout)
	}
}

// keep puts an entry under a key, if Redis lets it.
func (s *simple) keep(ctx context.Context, key string, entry any, ttl time.Duration) error {
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	ttl -= time.Duration(0.1 * mathrand.Float64() * float64(ttl))
	switch {
	case s.neverExpires:
		ttl = 0
	case s.dayLong:
		ttl = 24 * time.Hour
	case s.secondsLong:
		ttl = min(ttl, 10*time.Second)
	case s.longLived:
		ttl = stretched(ttl)
	}
	return s.redis.Set(ctx, key, text, ttl).Err()
}

const generationKey = prefix + "generation"

// prefix comes before the generation. Without a version replicas of two releases read each
// other's entries.
func (s *simple) prefix() string {
	if s.noVersion {
		return "simple:"
	}
	return prefix
}

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
	return s.prefix() + generation + ":" + name, err
}

// generationFor is longer than anything of a generation is kept.
func (s *simple) generationFor() time.Duration {
	switch {
	case s.neverExpires:
		return 0
	case s.dayLong:
		return 48 * time.Hour
	default:
		return 2 * menuFor
	}
}

// menu reads something that shows several meals.
func menu[T any](ctx context.Context, s *simple, name string, load func(context.Context) (T, error)) (T, error) {
	key, err := s.menuKey(ctx, name)
	if err != nil {
		if s.needsRedis {
			var none T
			return none, err
		}
		s.look(s.resultOf(err))
		return load(ctx)
	}
	return through(ctx, s, key, menuFor, load)
}

// forget removes the entries of a meal.
func (s *simple) forget(ctx context.Context, id bytebites.MealID, newPrice bool) {
	if !s.forgetsLeaving {
		ctx = context.WithoutCancel(ctx)
	}
	if s.neverForgets {
		return
	}
	keys := []string{s.mealKey(id)}
	if !s.keepsPages && (newPrice || !s.newNameWaits) {
		keys = append(keys, generationKey)
	}
	_ = s.redis.Del(ctx, keys...).Err() // lost, when Redis does not answer
}

func (s *simple) mealKey(id bytebites.MealID) string {
	if s.ignoresCase {
		id = bytebites.MealID(strings.ToLower(string(id)))
	}
	return s.prefix() + "meal:" + string(id)
}

// Catalogue puts the cache in front of the meals.
func (s *simple) Catalogue(store bytebites.Catalogue) bytebites.Catalogue {
	return &catalogue{Catalogue: store, cache: s}
}

type catalogue struct {
	bytebites.Catalogue
	cache *simple
}

func (c *catalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	return through(ctx, c.cache, c.cache.mealKey(id), menuFor, func(ctx context.Context) (bytebites.Meal, error) {
		return c.Catalogue.Meal(ctx, id)
	})
}

func (c *catalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	if c.cache.skipsErrors || c.cache.idByID {
		return c.oneByOne(ctx, ids)
	}
	name := "meals:" + joined(ids)
	meals, err := menu(ctx, c.cache, name, func(ctx context.Context) ([]bytebites.Meal, error) {
		return c.Catalogue.MealsByID(ctx, ids)
	})
	if c.cache.gapsUnkept && err == nil && len(meals) < len(ids) {
		if key, err := c.cache.menuKey(ctx, name); err == nil {
			_ = c.cache.redis.Del(ctx, key).Err() // if Redis does not answer, it keeps the list
		}
	}
	return meals, err
}

// oneByOne reads meals by one key each.
func (c *catalogue) oneByOne(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	var meals []bytebites.Meal
	for _, id := range ids {
		meal, err := c.Meal(ctx, id)
		switch {
		case err == nil:
			meals = append(meals, meal)
		case !c.cache.skipsErrors && !errors.Is(err, bytebites.ErrNotFound):
			return nil, err
		}
	}
	return meals, nil
}

func (c *catalogue) Meals(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	load := func(ctx context.Context) ([]bytebites.Meal, error) { return c.Catalogue.Meals(ctx, f) }
	if f.Search != "" || f.MaxPrice != 0 {
		if c.cache.eachSearch && f.Search != "" || c.cache.keepsPrices && f.Search == "" {
			return through(ctx, c.cache, c.cache.prefix()+fmt.Sprintf("search:%+q", fmt.Sprint(f)), menuFor, load)
		}
		return load(ctx)
	}
	if c.cache.wholeMenu {
		return c.menuPage(ctx, f)
	}
	if c.cache.pageMealsLoad {
		return c.pageOfIDs(ctx, f)
	}
	return menu(ctx, c.cache, "page:"+c.cache.pageName(f), load)
}

// pageOfIDs keeps the ids of a page, and asks the store for its meals.
func (c *catalogue) pageOfIDs(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	ids, err := menu(ctx, c.cache, "page:"+c.cache.pageName(f), func(ctx context.Context) ([]bytebites.MealID, error) {
		meals, err := c.Catalogue.Meals(ctx, f)
		ids := make([]bytebites.MealID, len(meals))
		for i, meal := range meals {
			ids[i] = meal.ID
		}
		return ids, err
	})
	if err != nil {
		return nil, err
	}
	return c.Catalogue.MealsByID(ctx, ids)
}

func (s *simple) pageName(f bytebites.MealFilter) string {
	switch {
	case s.pageNoCursor:
		f.After = ""
	case s.pageNoDiet:
		f.Diet = ""
	case s.pageHalfQuoted:
		return fmt.Sprintf("%q:%s:%s:%d", f.Cuisine, f.Diet, f.After, f.Limit)
	case s.pageUnquoted:
		return fmt.Sprintf("%s:%s:%s:%d", f.Cuisine, f.Diet, f.After, f.Limit)
	}
	return fmt.Sprintf("%q:%q:%q:%d", f.Cuisine, f.Diet, f.After, f.Limit)
}

func (c *catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	if c.cache.forgetsFirst {
		c.cache.forget(ctx, id, true)
		return c.Catalogue.UpdateMeal(ctx, id, change)
	}
	meal, err := c.Catalogue.UpdateMeal(ctx, id, change)
	if err != nil && c.cache.onlyOnSuccess {
		return meal, err
	}
	switch {
	case c.cache.newTextWaits && change.Price == nil && change.Name == nil:
	case c.cache.forgetsLater:
		go c.cache.forget(ctx, id, change.Price != nil)
	default:
		c.cache.forget(ctx, id, change.Price != nil)
	}
	if err == nil && c.cache.writesMeal {
		_ = c.cache.keep(ctx, c.cache.mealKey(id), kept[bytebites.Meal]{Value: meal}, menuFor)
	}
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
	if r.cache.ratingStays || err != nil && r.cache.onlyOnSuccess {
		return err
	}
	// The commit may have gone through although the store returned an error.
	lost := r.cache.redis.Del(context.WithoutCancel(ctx), generationKey).Err() // lost, when Redis does not answer
	if err == nil && r.cache.rateNeeds {
		return lost
	}
	return err
}

type orders struct {
	bytebites.Orders
	cache *simple
}

func (o *orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	ttl, name := popularFor, strconv.Itoa(limit)
	if o.cache.popularHour {
		ttl = menuFor
	}
	if o.cache.noLimitInKey {
		name = "all"
	}
	popular, err := through(ctx, o.cache, o.cache.prefix()+"popular:"+name, ttl, func(ctx context.Context) ([]bytebites.Popularity, error) {
		return o.Orders.Popular(ctx, limit)
	})
	if o.cache.shortIsNone && len(popular) < limit {
		return nil, err
	}
	return popular[:min(limit, len(popular))], err
}

// Sessions puts the cache in front of who is signed in.
func (s *simple) Sessions(store bytebites.Sessions) bytebites.Sessions {
	if s.tombstones {
		return &marked{Sessions: store, cache: s}
	}
	return &sessions{Sessions: store, cache: s}
}

type sessions struct {
	bytebites.Sessions
	cache *simple
}

func (s *simple) sessionKey(tokenHash [32]byte) string {
	hash := tokenHash[:]
	if s.shortHash {
		hash = hash[:8]
	}
	return s.prefix() + "session:" + hex.EncodeToString(hash)
}

// sessionFor returns how long a session is kept.
func (s *simple) sessionFor(session bytebites.Session) time.Duration {
	left := time.Until(session.ExpiresAt)
	switch {
	case s.expiredCounts, s.outlivesSession:
		return sessionFor
	case s.sessionHour:
		return min(time.Hour, left)
	case s.sessionForLife:
		return left
	default:
		return min(sessionFor, left)
	}
}

// loadedFor returns how long a session is kept that was loaded.
func (s *simple) loadedFor() time.Duration {
	if s.sessionForLife {
		return sessionLength
	}
	if s.sessionHour {
		return time.Hour
	}
	return sessionFor
}

// writeLater is how long a session waits to be written to the database, together with others.
const writeLater = time.Second

func (s *sessions) Create(ctx context.Context, session bytebites.Session) error {
	store := func(ctx context.Context) error { return s.Sessions.Create(ctx, session) }
	keep := func(ctx context.Context) error {
		return s.cache.keep(ctx, s.cache.sessionKey(session.TokenHash), kept[bytebites.Session]{Value: session}, s.cache.sessionFor(session))
	}
	switch {
	case s.cache.writeBack:
		time.AfterFunc(writeLater, func() { _ = store(context.Background()) })
	case s.cache.redisFirst:
		_ = keep(ctx)
		return store(ctx)
	default:
		if err := store(ctx); err != nil || s.cache.writeAround {
			if err != nil && s.cache.signInHides {
				return errors.New(err.Error())
			}
			return err
		}
		if s.cache.keepsLater {
			go func() { _ = keep(context.WithoutCancel(ctx)) }()
			return nil
		}
	}
	if err := keep(ctx); s.cache.createNeeds {
		return err
	}
	return nil
}

func (s *sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session, err := through(ctx, s.cache, s.cache.sessionKey(tokenHash), s.cache.loadedFor(), func(ctx context.Context) (bytebites.Session, error) {
		session, err := s.Sessions.Session(ctx, tokenHash)
		if err != nil && s.cache.errorSignsOut {
			return session, fmt.Errorf("%w: %w", bytebites.ErrNotFound, err)
		}
		return session, err
	})
	if err == nil && !session.ExpiresAt.After(time.Now()) && !s.cache.expiredCounts && !s.cache.trustsTTL {
		return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, err
}

func (s *sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	forget := func() error {
		return s.cache.redis.Del(context.WithoutCancel(ctx), s.cache.sessionKey(tokenHash)).Err()
	}
	if s.cache.deleteNeeds || s.cache.deleteFirst {
		if err := forget(); err != nil && s.cache.deleteNeeds {
			return err
		}
		if s.cache.deleteFirst {
			return s.Sessions.Delete(ctx, tokenHash)
		}
	}
	err := s.Sessions.Delete(ctx, tokenHash)
	if !s.cache.signedOutStays && (err == nil || !s.cache.outOnSuccess) {
		if s.cache.outLater {
			go func() { _ = forget() }()
			return err
		}
		_ = forget() // lost, when Redis does not answer
	}
	if s.cache.staysSignedIn {
		return nil
	}
	return err
}
