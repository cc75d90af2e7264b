package wrong

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/solutions/04-sharding"
)

// StoresFlaw is a mistake in the stores of user data. The zero value is right, and so is each of its
// styles.
type StoresFlaw struct {
	Router shard.Router // nil for the solution's
	// Styles: the copy is made after the answer, the mark comes after the change, and three answers of
	// four are needed.
	CopiesLater, MarksLast, NeedsMost bool
	// Of Read.
	ReadsTarget, NoReadLimit, HidesOutage, NoDarkReads, DarkReadsOfOld, WaitsForDarkRead, ReadsMirrorToo bool
	// Of Write.
	NoFence, GivesUpWhenMoved, RetriesOldMap, WaitsForEver, ErrMovedToCaller, NoWriteLimit bool
	OnlyOldMirrored, BusyForAll, RetriesBusy, NoPause, RetriesForNobody, ReadsMapFirst     bool
	// Of the mark.
	MarkAfterCommit, MarkBefore, NoMark, MarkOnMirror, MarkOutside, MarksAll, MarkErrorLogged bool
	// Of the copy.
	CopyErrorToCaller, SilentCopy, UncountedCopy, CopyOfClient, NoCopyLimit, OverNewer, CopyNotNoted, ChecksOutside bool
	CopiesFailedWrites, CopiesInside, CountsAll, NotedFirst, NotedAnyway, TwoTransactions                           bool
	// Of Everywhere.
	AsksTargets, AsksFirst, NeedsAll, AnyIsEnough, NoneIsEnough, SilentPartial, StopsAtError, AsksOldToo, FirstAnswers, OneByOne, RoundsDown bool
	CountsEach, CountsWhole, NoTotalsLimit, SilentError, Unbuffered                                                                          bool
}

// Apply puts stores with the flaw, and otherwise the solution, into a service.
func (f StoresFlaw) Apply(c *service.Composition) {
	sharding.Apply(c)
	c.UserData = f.open
}

// flawed is a shardstore.Access with a flaw.
type flawed struct {
	StoresFlaw
	router  shard.Router
	maps    shardstore.Maps
	servers []shardstore.Server
	dark    *shardstore.DarkReads
	meter   *shardstore.Meter
	logger  *slog.Logger
}

const (
	retryFor = 3 * time.Second
	forEver  = time.Hour
	// totalsTimeout is that of the solution.
	totalsTimeout = 500 * time.Millisecond
)

func (f StoresFlaw) open(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
	parts, err := shardstore.Open(r, catalogue)
	if err != nil {
		return service.UserData{}, err
	}
	return shardstore.UserData(f.Stores(parts), f.router()), nil
}

// Stores returns stores with the flaw.
func (f StoresFlaw) Stores(p shardstore.Parts) shardstore.Access {
	return &flawed{StoresFlaw: f, router: f.router(), maps: p.Maps, servers: p.Servers, dark: p.Dark, meter: p.Meter, logger: p.Logger}
}

func (f StoresFlaw) router() shard.Router {
	if f.Router == nil {
		return sharding.NewRouter()
	}
	return f.Router
}

func limit(none bool) time.Duration {
	if none {
		return forEver
	}
	return patience
}

func (s *flawed) ask(ctx context.Context, server shard.Server, ask shardstore.Question) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, limit(s.NoReadLimit))
	defer cancel()
	answer, err := ask(ctx, s.servers[server].Stores)
	if err != nil && s.HidesOutage && !errors.Is(err, bytebites.ErrNotFound) {
		return answer, fmt.Errorf("%w: %w", bytebites.ErrNotFound, err)
	}
	return answer, shardstore.Busy(err)
}

func (s *flawed) Read(ctx context.Context, user bytebites.UserID, ask shardstore.Question) (any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	place := s.router.Place(m, user)
	old := m.NewFrom == "" || user < m.NewFrom
	if m.Phase == shard.DarkReads && place.Mirrored() && !s.NoDarkReads && (old || !s.DarkReadsOfOld) {
		compare := func(ctx context.Context, server shard.Server) (any, error) { return s.ask(ctx, server, ask) }
		if s.WaitsForDarkRead {
			_, _ = compare(ctx, place.Mirror)
		}
		s.dark.Compare(user, place, compare)
	}
	server := place.Home
	if s.ReadsTarget && place.Mirrored() && m.Phase >= shard.Verify {
		server = m.Target[s.router.Bucket(user)]
	}
	answer, err := s.ask(ctx, server, ask)
	if s.ReadsMirrorToo && err != nil && place.Mirrored() {
		return s.ask(ctx, place.Mirror, ask)
	}
	return answer, err
}

func (s *flawed) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	retries := retryFor
	if s.WaitsForEver {
		retries = forEver
	}
	m, err := s.maps.Current()
	if s.ReadsMapFirst {
		m, err = s.maps.Refresh(ctx)
	}
	for began := time.Now(); err == nil; {
		place := s.router.Place(m, user)
		if s.OnlyOldMirrored && m.NewFrom != "" && user >= m.NewFrom {
			place.Mirror = place.Home
		}
		err = s.atHome(ctx, m, place, user, change)
		if s.CopiesFailedWrites && place.Mirrored() && !errors.Is(err, shard.ErrMoved) {
			return s.after(ctx, place, user)
		}
		if err == nil && s.CopiesInside {
			return nil
		}
		if err == nil && s.CopiesLater {
			go func() { _ = s.after(ctx, place, user) }() // it reports no error
			return nil
		}
		if err == nil {
			return s.after(ctx, place, user)
		}
		if !errors.Is(err, shard.ErrMoved) && (!s.RetriesBusy || !errors.Is(shardstore.Busy(err), bytebites.ErrBusy)) {
			break
		}
		if s.GivesUpWhenMoved {
			return fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
		}
		if time.Since(began) > retries {
			if s.ErrMovedToCaller {
				return err
			}
			return fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
		}
		if !s.NoPause {
			time.Sleep(again)
		}
		switch {
		case s.RetriesForNobody:
			m, err = s.maps.Refresh(context.WithoutCancel(ctx))
		case !s.RetriesOldMap:
			m, err = s.maps.Refresh(ctx)
		default:
			err = nil
		}
	}
	if s.BusyForAll && err != nil {
		return fmt.Errorf("%w: %w", bytebites.ErrBusy, errors.New(err.Error()))
	}
	return shardstore.Busy(err)
}

func (s *flawed) atHome(ctx context.Context, m shard.Map, place shard.Place, user bytebites.UserID, change shardstore.Change) error {
	if s.RetriesForNobody {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, limit(s.NoWriteLimit))
	defer cancel()
	home := s.servers[place.Home]
	mark := func(ctx context.Context) error {
		switch {
		case !place.Mirrored() && !s.MarksAll || s.NoMark:
			return nil
		case s.MarkOutside:
			return shard.Mark(context.Background(), home.DB, user)
		case s.MarkErrorLogged:
			if err := shard.Mark(ctx, home.DB, user); err != nil {
				s.logger.WarnContext(ctx, "mark failed", "user", string(user), "error", err)
			}
			return nil
		case s.MarkOnMirror:
			return shard.Mark(ctx, s.servers[place.Mirror].DB, user)
		}
		return shard.Mark(ctx, home.DB, user)
	}
	if s.MarkBefore {
		if err := mark(ctx); err != nil {
			return err
		}
	}
	inside := !s.MarkBefore && !s.MarkAfterCommit
	within := func(ctx context.Context) error {
		if inside && !s.MarksLast {
			if err := mark(ctx); err != nil {
				return err
			}
		}
		err := change(ctx, home.Stores)
		if err == nil && inside && s.MarksLast {
			return mark(ctx)
		}
		if err == nil && s.CopiesInside {
			return s.after(ctx, place, user)
		}
		return err
	}
	var err error
	if s.NoFence {
		err = shard.Transact(ctx, home.DB, within)
	} else {
		err = shard.Within(ctx, home.DB, m.Version, within)
	}
	if err == nil && s.MarkAfterCommit {
		err = mark(ctx)
	}
	return err
}

// after makes the copy.
func (s *flawed) after(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	if !place.Mirrored() {
		return nil
	}
	if !s.CopyOfClient {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, limit(s.NoCopyLimit))
	defer cancel()
	err := s.copy(ctx, place, user)
	if s.CountsAll && err == nil {
		s.meter.CopyFailed()
	}
	switch {
	case err == nil || s.SilentCopy:
		return nil
	case s.CopyErrorToCaller:
		return shardstore.Busy(err)
	}
	if !s.UncountedCopy {
		s.meter.CopyFailed()
	}
	s.logger.WarnContext(ctx, "second write failed", "user", string(user), "error", err)
	return nil
}

func (s *flawed) copy(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	home, mirror := s.servers[place.Home].DB, s.servers[place.Mirror].DB
	read, err := shard.Read(ctx, home, []bytebites.UserID{user})
	if err != nil {
		return err
	}
	if s.ChecksOutside {
		there, err := shard.Read(ctx, mirror, []bytebites.UserID{user})
		if err != nil || there.Version(user) >= read.Version(user) {
			return err
		}
		if err := shard.Replace(ctx, mirror, read); err != nil {
			return err
		}
		if _, err := shard.Outdated(ctx, mirror, read); err != nil {
			return err
		}
		return shard.Copied(ctx, home, read)
	}
	if s.NotedFirst {
		if err := shard.Copied(ctx, home, read); err != nil {
			return err
		}
	}
	if s.TwoTransactions {
		var outdated []bytebites.UserID
		err := shard.Transact(ctx, mirror, func(ctx context.Context) (err error) {
			outdated, err = shard.Outdated(ctx, mirror, read)
			return err
		})
		if err == nil {
			err = shard.Replace(ctx, mirror, read.Only(outdated))
		}
		if err != nil {
			return err
		}
		return shard.Copied(ctx, home, read)
	}
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		outdated, err := shard.Outdated(ctx, mirror, read)
		if err != nil {
			return err
		}
		if s.OverNewer {
			outdated = read.Users()
		}
		return shard.Replace(ctx, mirror, read.Only(outdated))
	})
	if err != nil && s.NotedAnyway {
		return errors.Join(err, shard.Copied(ctx, home, read))
	}
	if err != nil || s.CopyNotNoted {
		return err
	}
	return shard.Copied(ctx, home, read)
}

func (s *flawed) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	servers := slices.Clone(m.Source[:])
	switch {
	case s.AsksTargets:
		servers = slices.Concat(m.Source[:], m.Target[:])
	case s.AsksFirst:
		servers = m.Source[:1]
	case s.AsksOldToo:
		servers = append(servers, shard.Old)
	}
	slices.Sort(servers)
	servers = slices.Compact(servers)
	if s.OneByOne {
		return s.oneByOne(ctx, servers, ask)
	}
	if !s.NoTotalsLimit {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, totalsTimeout)
		defer cancel()
	}
	answers, failure := s.gather(ctx, servers, ask)
	enough := (len(servers) + 1) / 2
	switch {
	case s.NeedsMost:
		enough = len(servers)/2 + 1
	case s.NeedsAll:
		enough = len(servers)
	case s.RoundsDown:
		enough = len(servers) / 2
	case s.AnyIsEnough:
		enough = 1
	case s.NoneIsEnough:
		enough = 0
	case s.FirstAnswers:
		answers = answers[:min(len(answers), max(1, len(servers)-1))]
		enough = int(math.Min(1, float64(len(servers))))
	}
	if len(answers) < enough {
		return nil, fmt.Errorf("%w: %w", bytebites.ErrBusy, failure)
	}
	lacks := 0
	switch {
	case s.CountsEach:
		lacks = len(servers) - len(answers)
	case failure != nil && !s.SilentPartial || s.CountsWhole:
		lacks = 1
	}
	for range lacks {
		s.meter.Partial(ctx)
	}
	return answers, nil
}

// gather asks the servers side by side. It returns their answers in order, and one of their errors.
func (s *flawed) gather(ctx context.Context, servers []shard.Server, ask shardstore.Question) (answers []any, failure error) {
	type result struct {
		number int
		value  any
		err    error
	}
	room := len(servers)
	if s.Unbuffered {
		room = 0
	}
	arrive := make(chan result, room)
	for i, server := range servers {
		go func() {
			value, err := s.ask(ctx, server, ask)
			if err == nil || !s.SilentError {
				arrive <- result{i, value, err}
			}
		}()
	}
	results := make([]*result, len(servers))
	for range servers {
		select {
		case r := <-arrive:
			results[r.number] = &r
		case <-s.ends(ctx):
			failure = ctx.Err()
		}
	}
	for _, r := range results {
		switch {
		case r == nil:
		case r.err == nil:
			answers = append(answers, r.value)
		default:
			failure = r.err
			if s.StopsAtError {
				return answers, failure
			}
		}
	}
	return answers, failure
}

// ends returns a channel that is closed when no more answers are awaited. Without a limit all are awaited.
func (s *flawed) ends(ctx context.Context) <-chan struct{} {
	if s.NoTotalsLimit {
		return nil
	}
	return ctx.Done()
}

// oneByOne asks one server after the other, and returns the first error.
func (s *flawed) oneByOne(ctx context.Context, servers []shard.Server, ask shardstore.Question) ([]any, error) {
	var answers []any
	for _, server := range servers {
		value, err := s.ask(ctx, server, ask)
		if err != nil {
			return nil, err
		}
		answers = append(answers, value)
	}
	return answers, nil
}
