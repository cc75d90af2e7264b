package spec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// replica is the stores of one replica as its API sees them: behind the subject's cache.
type replica struct {
	catalogue bytebites.Catalogue
	ratings   bytebites.Ratings
	orders    bytebites.Orders
	sessions  bytebites.Sessions
}

// seam is the subject's cache in this process: replicas that share stores in memory and a
// stand-in for Redis. The checks on it need no server. They judge what the stores of a replica
// answer; the other checks judge pages and counts on real servers.
type seam struct {
	trial    *trial
	memory   *memory
	redis    *fakeRedis
	truth    replica // without a cache
	replicas []replica
	metrics  []*prometheus.Registry // of the replicas
	closers  []func() error
}

// seamReplicas is the number of replicas that share a Redis.
const seamReplicas = 2

// onSeam makes the run of a check that gets replicas of the subject's cache.
func (l *trial) onSeam(check func(*seam, context.Context) error) func(context.Context, *lab.Run) error {
	return func(ctx context.Context, _ *lab.Run) error {
		s, err := l.newSeam()
		if err != nil {
			return err
		}
		err = s.openAll(ctx)
		if err == nil {
			err = check(s, ctx)
		}
		return s.end(ctx, err)
	}
}

// overdue returns the wait that an error behind the seam rests on. A refused connection is none: the only
// server is the stand-in for Redis, which refuses when the check says so, on a busy machine too.
func overdue(err error) lab.Waited {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return lab.Waited{}
	}
	return lab.Late(err)
}

// newSeam returns a seam without replicas.
func (l *trial) newSeam() (*seam, error) {
	// The client logs each call to a Redis that is away on purpose.
	logging.Disable()
	redis, err := newFakeRedis()
	if err != nil {
		return nil, err
	}
	s := &seam{trial: l, memory: newMemory(), redis: redis}
	s.truth = replica{memoryCatalogue{s.memory}, memoryRatings{s.memory}, memoryOrders{memory: s.memory}, memorySessions{s.memory}}
	return s, nil
}

func (s *seam) openAll(ctx context.Context) error {
	for range seamReplicas {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open adds a replica. It returns a failure when the subject's cache does not open.
func (s *seam) open(ctx context.Context) error {
	composition := service.Baseline()
	s.trial.subject.Apply(&composition)
	metrics := prometheus.NewRegistry()
	resources := service.Resources{
		Config: service.Config{RedisAddr: s.redis.addr}, Metrics: metrics, Logger: slog.New(slog.DiscardHandler),
		OnClose: func(end func() error) { s.closers = append(s.closers, end) },
	}
	cache, err := bounded(ctx, "Open", func(context.Context) (service.Cache, error) { return composition.Cache(resources) })
	if err != nil {
		return &lab.Failure{
			Expected: "a cache that opens, whatever Redis does", Seen: err.Error(), Waited: overdue(err),
			Look: lab.Look{File: "redis.go", Func: "Open", Hint: "is Redis asked before there is a request?"},
		}
	}
	users := cache.UserData(service.UserData{Ratings: s.truth.ratings, Orders: s.truth.orders})
	s.metrics = append(s.metrics, metrics)
	s.replicas = append(s.replicas, replica{
		catalogue: cache.Catalogue(s.truth.catalogue), ratings: users.Ratings, orders: users.Orders, sessions: cache.Sessions(s.truth.sessions),
	})
	return nil
}

// end closes the replicas. A failure is in doubt when the subject has used a command that the
// stand-in for Redis does not know.
func (s *seam) end(ctx context.Context, err error) error {
	s.memory.hold()() // nothing waits any more
	s.redis.answers()
	for _, end := range s.closers {
		// The error of a client that closes is no one's answer.
		_, _ = bounded(ctx, "close", func(context.Context) (struct{}, error) { return struct{}{}, end() })
	}
	s.redis.server.Close()
	var failure *lab.Failure
	if unknown := s.redis.unknownCommands(); errors.As(err, &failure) && len(unknown) > 0 {
		return &lab.Doubt{
			Reason: fmt.Sprintf("the stand-in for Redis of this check does not know %s: %v", strings.Join(unknown, ", "), err),
			Remedy: "use another command of Redis, or judge this check by hand",
		}
	}
	return err
}

// seamTimeout bounds a call of the subject. A client waits for 2 s, and the page that it waits for
// makes several calls.
const seamTimeout = 4 * time.Second

// bounded calls a function of the subject, and returns in time even if the function does not. A panic
// is returned as an error.
func bounded[T any](ctx context.Context, what string, call func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	timeout := hostspeed.Wait(seamTimeout)
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		var r result
		r.value, r.err = recovered(limit, what, call)
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-limit.Done():
		var none T
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		return none, fmt.Errorf("%s: no answer within %s", what, timeout)
	}
}

// recovered calls a function of the subject and returns a panic as an error.
func recovered[T any](ctx context.Context, what string, call func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v", what, p)
		}
	}()
	return call(ctx)
}

// fakeRedis is a Redis in this process. Its keys expire by the clock, and by forward.
type fakeRedis struct {
	server *miniredis.Miniredis
	addr   string

	mu      sync.Mutex
	known   *server.Server // which commands it has
	refusal string         // the answer to every command; empty for none
	silence chan struct{}  // unless nil, no command is answered until it is closed
	late    time.Duration  // that each answer takes
	unknown map[string]bool
	counted map[string]int // unless nil, how often each command came with its arguments
	slow    bool           // the next command that changes a key takes lateAnswer
	over    int            // commands that have changed a key since slowsNextChange
}

func newFakeRedis() (*fakeRedis, error) {
	r := &fakeRedis{server: miniredis.NewMiniRedis(), unknown: make(map[string]bool)}
	if err := r.server.Start(); err != nil {
		return nil, fmt.Errorf("start stand-in for redis: %w", err)
	}
	r.addr = r.server.Addr()
	r.listenIn()
	return r, nil
}

func (r *fakeRedis) listenIn() {
	r.server.ClockTTL(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = r.server.Server()
	r.known.SetPreHook(r.before)
}

// before is called before each command. It returns whether the command is answered.
func (r *fakeRedis) before(peer *server.Peer, command string, args ...string) bool {
	r.mu.Lock()
	refusal, silence, late := r.refusal, r.silence, r.late
	if !r.known.IsRegisteredCommand(command) {
		r.unknown[command] = true
	}
	if r.counted != nil && !opensConnection(command) {
		r.counted[fmt.Sprintf("%s %q", command, args)]++
	}
	changes := !readsOnly(command)
	if changes && r.slow {
		r.slow = false
		late += lateAnswer
	}
	r.mu.Unlock()
	time.Sleep(late)
	if changes {
		r.mu.Lock()
		r.over++
		r.mu.Unlock()
	}
	if silence != nil {
		<-silence
	}
	switch {
	case refusal != "":
		peer.WriteError(refusal)
	case strings.EqualFold(command, "INFO"):
		peer.WriteBulk(r.info())
	default:
		return false
	}
	return true
}

// info returns the answer to INFO. The answer of miniredis itself panics while its server is closed:
// a command that has come is still handled then, and asks for the server that is gone.
func (r *fakeRedis) info() string {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	return fmt.Sprintf("# Clients\r\nconnected_clients:%d\r\n# Stats\r\ntotal_connections_received:%d\r\ntotal_commands_processed:%d\r\n",
		known.ClientsLen(), known.TotalConnections(), known.TotalCommands())
}

// opensConnection reports whether a client sends a command by itself, once for each new connection.
func opensConnection(command string) bool {
	switch strings.ToUpper(command) {
	case "HELLO", "CLIENT", "AUTH", "SELECT":
		return true
	}
	return false
}

// readsOnly reports whether a command changes no key by itself.
func readsOnly(command string) bool {
	if opensConnection(command) {
		return true
	}
	switch strings.ToUpper(command) {
	case "PING", "COMMAND", "INFO", "MULTI", "EXEC", "WATCH",
		"GET", "MGET", "HGET", "HMGET", "HGETALL", "EXISTS", "TTL", "PTTL", "TYPE", "STRLEN":
		return true
	}
	return false
}

// slowsNextChange makes Redis take lateAnswer for the next command that changes a key.
func (r *fakeRedis) slowsNextChange() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow, r.over = true, 0
}

// changesOver returns how many commands have changed a key since slowsNextChange.
func (r *fakeRedis) changesOver() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// unknownCommands returns the commands that the stand-in does not know.
func (r *fakeRedis) unknownCommands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for command := range r.unknown {
		all = append(all, command)
	}
	return all
}

// count counts commands while it calls f, and returns the one that came most often.
func (r *fakeRedis) count(f func() error) (command string, times int, err error) {
	set := func(counted map[string]int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counted = counted
	}
	counted := make(map[string]int)
	set(counted)
	err = f()
	set(nil)
	for text, n := range counted {
		if n > times {
			command, times = text, n
		}
	}
	return command, times, err
}

// refuses makes Redis answer every command with an error.
func (r *fakeRedis) refuses(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = message
}

// takes makes Redis take that long for each answer.
func (r *fakeRedis) takes(late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = late
}

// hangs makes Redis answer no command.
func (r *fakeRedis) hangs() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silence = make(chan struct{})
}

// answers ends what refuses and hangs began.
func (r *fakeRedis) answers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = ""
	if r.silence != nil {
		close(r.silence)
		r.silence = nil
	}
}

// stop ends Redis: nothing listens at its address. Its keys stay.
func (r *fakeRedis) stop() { r.server.Close() }

// start starts a Redis that was stopped, at its address and with its keys.
func (r *fakeRedis) start() error {
	if err := r.server.Restart(); err != nil {
		return fmt.Errorf("restart stand-in for redis: %w", err)
	}
	r.listenIn()
	return nil
}

// forward turns the clock of Redis forward, so that keys expire.
func (r *fakeRedis) forward(d time.Duration) { r.server.FastForward(d) }

// last gives every key that time to live.
func (r *fakeRedis) last(d time.Duration) {
	for _, key := range r.server.Keys() {
		r.server.SetTTL(key, d)
	}
}

// longestTTL returns the longest time to live of a key that has one.
func (r *fakeRedis) longestTTL() (longest time.Duration) {
	for _, key := range r.server.Keys() {
		longest = max(longest, r.server.TTL(key))
	}
	return longest
}

// flush deletes all keys.
func (r *fakeRedis) flush() { r.server.FlushAll() }
