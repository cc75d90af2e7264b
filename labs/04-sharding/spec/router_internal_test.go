package spec

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// plain is a right router. A test may replace each part of it.
type plain struct {
	bucket  func(bytebites.UserID) shard.Bucket
	tag     func(shard.Bucket) string
	untag   func(bytebites.OrderID) (shard.Bucket, bool)
	planned func(shard.Assignment, []shard.Server) shard.Assignment
	place   func(shard.Map, bytebites.UserID) shard.Place
}

func fnvBucket(user bytebites.UserID) shard.Bucket {
	h := fnv.New64a()
	_, _ = h.Write([]byte(user))
	sum := h.Sum64()
	sum ^= sum >> 29 // FNV's low bits depend on few of the last character's
	sum *= 0xbf58476d1ce4e5b9
	return shard.Bucket((sum >> 32) % shard.Buckets)
}

func newPlain() *plain {
	p := &plain{bucket: fnvBucket}
	p.tag = func(b shard.Bucket) string { return fmt.Sprintf("ord_%03x_%s", int(b), strings.ToLower(rand.Text())) }
	p.untag = func(id bytebites.OrderID) (shard.Bucket, bool) {
		var b int
		var rest string
		n, _ := fmt.Sscanf(strings.ReplaceAll(string(id), "_", " "), "ord %3x %s", &b, &rest)
		return shard.Bucket(b), n == 2 && len(rest) == 26 && len(id) == 34 && b >= 0 && b < shard.Buckets
	}
	p.planned = func(home shard.Assignment, servers []shard.Server) shard.Assignment {
		room, has := make(map[shard.Server]int), spreadOf(home)
		byLoad := slices.SortedFunc(slices.Values(servers), func(a, b shard.Server) int { return has[b] - has[a] })
		for i, s := range byLoad {
			room[s] = shard.Buckets / len(servers)
			if i < shard.Buckets%len(servers) {
				room[s]++
			}
		}
		plan := home
		for b, s := range home {
			if room[s] > 0 {
				room[s]--
			} else {
				plan[b] = -1
			}
		}
		for b, s := range plan {
			for _, to := range servers {
				if s == -1 && room[to] > 0 {
					room[to]--
					plan[b] = to
					break
				}
			}
		}
		return plan
	}
	p.place = func(m shard.Map, user bytebites.UserID) shard.Place {
		b := p.bucket(user)
		if !m.Moves(b) {
			return shard.Place{Home: m.Source[b], Mirror: m.Source[b]}
		}
		return placeOf(m.Phase, m.NewFrom != "" && user >= m.NewFrom, m.Source[b], m.Target[b])
	}
	return p
}

func (p *plain) Bucket(user bytebites.UserID) shard.Bucket { return p.bucket(user) }
func (p *plain) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	return bytebites.OrderID(p.tag(p.bucket(user)))
}
func (p *plain) BucketOf(id bytebites.OrderID) (shard.Bucket, bool) { return p.untag(id) }
func (p *plain) Plan(home shard.Assignment, servers []shard.Server) shard.Assignment {
	return p.planned(home, servers)
}
func (p *plain) Place(m shard.Map, user bytebites.UserID) shard.Place { return p.place(m, user) }

// arithmetic returns the checks that need no server, in their order.
func arithmetic(l *trial) map[string]func() error {
	run := &lab.Run{}
	return map[string]func() error{
		"buckets":   func() error { return l.buckets(nil, run) },  //nolint:staticcheck // nothing here waits
		"plan":      func() error { return l.plan(nil, run) },     //nolint:staticcheck // as above
		"places":    func() error { return l.places(nil, run) },   //nolint:staticcheck // as above
		"ids":       func() error { return l.ids(nil, run) },      //nolint:staticcheck // as above
		"hot shard": func() error { return l.hotShard(nil, run) }, //nolint:staticcheck // as above
	}
}

func TestArithmeticAcceptsARightRouter(t *testing.T) {
	for name, check := range arithmetic(&trial{subject: Subject{Router: newPlain()}}) {
		if err := check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArithmeticRejectsWrongRouters(t *testing.T) {
	var drawn atomic.Int64
	for _, test := range []struct {
		name, check, says string
		change            func(*plain)
	}{
		{"everybody in one bucket", "buckets", "spread evenly", func(p *plain) { p.bucket = func(bytebites.UserID) shard.Bucket { return 0 } }},
		{"signed modulo", "buckets", "remainder of a negative number", func(p *plain) {
			p.bucket = func(u bytebites.UserID) shard.Bucket {
				h := fnv.New32a()
				_, _ = h.Write([]byte(u))
				return shard.Bucket(int32(h.Sum32()) % shard.Buckets)
			}
		}},
		{"the last characters alone", "buckets", "spread evenly", func(p *plain) {
			p.bucket = func(u bytebites.UserID) shard.Bucket {
				sum := 0
				for _, c := range []byte(u) {
					sum += int(c)
				}
				return shard.Bucket(sum % shard.Buckets)
			}
		}},
		{"another bucket each time", "buckets", "the same bucket", func(p *plain) {
			p.bucket = func(bytebites.UserID) shard.Bucket { return shard.Bucket(drawn.Add(1) % shard.Buckets) }
		}},
		{"an empty id panics", "buckets", "a panic", func(p *plain) {
			p.bucket = func(u bytebites.UserID) shard.Bucket { return shard.Bucket(u[0]) }
		}},
		{"modulo the number of servers", "plan", "take over", func(p *plain) {
			p.planned = func(_ shard.Assignment, servers []shard.Server) (a shard.Assignment) {
				for b := range a {
					a[b] = servers[b%len(servers)]
				}
				return a
			}
		}},
		{"the first servers get the remainder", "plan", "buckets to move from", func(p *plain) {
			right := p.planned
			p.planned = func(home shard.Assignment, servers []shard.Server) shard.Assignment {
				// Of servers without buckets none has most.
				even := right(shard.Assignment{}, servers)
				counts := spreadOf(even)
				plan := right(home, servers)
				for b := range plan {
					if now := spreadOf(plan); now[plan[b]] > counts[plan[b]] && plan[b] == home[b] {
						for _, to := range servers {
							if now[to] < counts[to] {
								plan[b] = to
								break
							}
						}
					}
				}
				return plan
			}
		}},
		{"nothing moves", "plan", "server 1", func(p *plain) {
			p.planned = func(home shard.Assignment, _ []shard.Server) shard.Assignment { return home }
		}},
		{"ranges of ids", "hot shard", "share a bucket", func(p *plain) {
			p.bucket = func(u bytebites.UserID) shard.Bucket {
				var n int
				if _, err := fmt.Sscanf(string(u), "u%d", &n); err != nil {
					return shard.Buckets - 1
				}
				return shard.Bucket(min(n/5, shard.Buckets-1))
			}
		}},
		{"home at once", "places", "double-writes", func(p *plain) {
			p.place = func(m shard.Map, u bytebites.UserID) shard.Place {
				b := p.bucket(u)
				place := placeOf(m.Phase, m.NewFrom != "" && u >= m.NewFrom, m.Source[b], m.Target[b])
				if m.Phase == shard.DoubleWrites {
					place.Home, place.Mirror = m.Target[b], m.Source[b]
				}
				return place
			}
		}},
		{"no mirror on the way back", "places", "flipped", func(p *plain) {
			p.place = func(m shard.Map, u bytebites.UserID) shard.Place {
				b := p.bucket(u)
				place := placeOf(m.Phase, m.NewFrom != "" && u >= m.NewFrom, m.Source[b], m.Target[b])
				if m.Phase == shard.Flipped {
					place.Mirror = place.Home
				}
				return place
			}
		}},
		{"a counter", "ids", "twice", func(p *plain) {
			p.tag = func(b shard.Bucket) string { return fmt.Sprintf("ord_%03x_%026d", int(b), drawn.Add(1)%1000) }
		}},
		{"ids name nothing", "ids", "no bucket", func(p *plain) {
			p.untag = func(bytebites.OrderID) (shard.Bucket, bool) { return 0, false }
		}},
		{"old ids name something", "ids", "from before there were buckets", func(p *plain) {
			was := p.untag
			p.untag = func(id bytebites.OrderID) (shard.Bucket, bool) {
				b, ok := was(id)
				return b, ok || len(id) == 30
			}
		}},
		{"any id names something", "ids", "clients", func(p *plain) {
			was := p.untag
			p.untag = func(id bytebites.OrderID) (shard.Bucket, bool) {
				if strings.HasPrefix(string(id), "ord_ZZZ") {
					return 46655, true
				}
				return was(id)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			router := newPlain()
			test.change(router)
			err := arithmetic(&trial{subject: Subject{Router: router}})[test.check]()
			var failure *lab.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Error(), test.says) {
				t.Errorf("%s says %v, want a failure with %q", test.check, err, test.says)
			}
		})
	}
}

// A router that never returns must not hold the run up.
func TestArithmeticRejectsARouterThatHangs(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	err := answered(time.Millisecond, lab.Look{File: "router.go"}, func() error { <-forever; return nil })
	var failure *lab.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Seen, "none within") {
		t.Errorf("got %v, want a failure that names the limit", err)
	}
}
