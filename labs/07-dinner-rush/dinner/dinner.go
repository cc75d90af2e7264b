// Package dinner starts all servers of a plan, plays the dinner rush on them and returns the
// observations. It is given.
package dinner

import (
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/measure/load"
)

// Evening is the time from 4 to 7 PM, which a dinner stands for.
const Evening = 3 * time.Hour

// The load. About half of the 100,000 subscribers order once in the three hours, which is 4.6 orders a
// second. Of the dinner mix 17 % are orders, so all requests are 27 a second on average. The rates are
// those of the story. Only the length is compressed.
const (
	baseRate = 6  // requests a second at 4 and 7 PM
	peakRate = 48 // requests a second at half past five
)

// Curve returns the load of a dinner of that length.
func Curve(length time.Duration) load.Curve {
	return load.Curve{Base: baseRate, Peak: peakRate, Length: length}
}

// Program is a main package with the labs' code in it. The replicas, the relay and the workers run it.
type Program struct {
	Package string   // as a path from the module's root, such as ./solutions/service
	Args    []string // before those of a role
}

// Options say what runs.
type Options struct {
	Plan    plan.Plan
	Program Program
	// Router is the router of lab 04 that the program has. The subscribers' data begins on their shards.
	Router shard.Router
	// Policy is the policy of lab 06. A plan with a fixed count needs none.
	Policy autoscale.Policy
	Nginx  []byte // nginx.conf of lab 02
	Redis  string // redis.conf of lab 03; the plan's memory replaces its maxmemory
	Size   seed.Size
	People int // that are signed in
	// MailDelay is the time that the mail server takes to accept a message.
	MailDelay time.Duration
	// Progress is told what happens, a line at a time. It may be called from several goroutines.
	Progress func(line string)
}

func (o Options) validate() error {
	switch {
	case o.Plan.Shards.Count < 1 || o.Plan.Workers.Count < 1 || o.Plan.Replicas.First() < 1:
		return errors.New("dinner: the plan has no shard, no worker or no replica")
	case o.Plan.Replicas.Policy != nil && o.Policy == nil:
		return errors.New("dinner: the plan has a policy, and none is given")
	case o.Router == nil || o.Progress == nil || o.People < 1:
		return errors.New("dinner: no router, no progress or no people")
	}
	return nil
}

// Kind is a kind of fault.
type Kind string

// The faults of the evening.
const (
	WorkerKilled    Kind = "worker killed"
	CacheFlushed    Kind = "Redis flushed"
	ReplicaKilled   Kind = "replica killed"
	CachePaused     Kind = "Redis paused"
	BrokerRestarted Kind = "broker restarted"
	ShardPaused     Kind = "shard paused"
	BadDeployment   Kind = "bad deployment"
)

// Window returns the time from the beginning of a fault in which requests may fail. It is 0 for a fault
// that the labs hide. A request is excused when it was under way in the window.
//
// A killed replica cuts off its requests. Until the balancer has noticed, and its controller has removed
// the replica, some are sent to it. A second without Redis or without a shard costs the requests that
// wait for it, and those that have queued up.
func (k Kind) Window() time.Duration {
	switch k {
	case ReplicaKilled:
		return 3 * time.Second
	case CachePaused, ShardPaused:
		return 2 * time.Second
	default:
		return 0
	}
}

// Fault is one entry of the schedule.
type Fault struct {
	Kind Kind
	At   time.Duration // since the load began
}

// Announced returns the schedule of all faults in a dinner of that length. The windows of two faults do
// not touch.
func Announced(length time.Duration) []Fault {
	at := func(share float64) time.Duration {
		return time.Duration(share * float64(length)).Round(100 * time.Millisecond)
	}
	return []Fault{
		{CacheFlushed, at(0.08)},
		{ReplicaKilled, at(0.19)},
		{CachePaused, at(0.30)},
		{WorkerKilled, at(0.40)},
		{BrokerRestarted, at(0.50)},
		{ShardPaused, at(0.70)},
		{BadDeployment, at(0.82)},
	}
}

// Event is a fault that happened. Its times are since the load began.
type Event struct {
	Kind     Kind
	From, To time.Duration
	Detail   string // such as the name of the server
}

// Excuses reports whether a request was under way in the window of the fault.
func (e Event) Excuses(r load.RequestResult) bool {
	window := e.Kind.Window()
	return window > 0 && r.Intended <= e.From+window && r.Intended+r.Latency >= e.From
}

// Overlaps reports whether a request was under way during the fault.
func (e Event) Overlaps(r load.RequestResult) bool {
	return r.Intended <= e.To && r.Intended+r.Latency >= e.From
}

func (e Event) String() string {
	return fmt.Sprintf("%s (%s) from %.1f to %.1f s", e.Kind, e.Detail, e.From.Seconds(), e.To.Seconds())
}
