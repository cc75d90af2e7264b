package spec

import (
	"sync"

	"bytebites.example/workshop/shared/testbed"
)

// doors are the replicas that clients use. They can be replaced while requests are under way.
type doors struct {
	mu   sync.Mutex
	open []*door
}

// door is one replica, and its requests under way.
type door struct {
	replica *testbed.Service
	inside  sync.WaitGroup
}

func newDoors(replicas []*testbed.Service) *doors {
	d := &doors{}
	d.set(replicas)
	return d
}

// set replaces the replicas. It returns when those that were taken away have answered all
// requests.
func (d *doors) set(replicas []*testbed.Service) {
	d.mu.Lock()
	before := d.open
	d.open = nil
	var closed []*door
	for _, r := range replicas {
		kept := &door{replica: r}
		for _, old := range before {
			if old.replica == r {
				kept = old
			}
		}
		d.open = append(d.open, kept)
	}
	for _, old := range before {
		stays := false
		for _, now := range d.open {
			stays = stays || now == old
		}
		if !stays {
			closed = append(closed, old)
		}
	}
	d.mu.Unlock()
	for _, c := range closed {
		c.inside.Wait()
	}
}

// enter returns the replica of a turn. The caller calls leave when the request has ended.
func (d *doors) enter(turn int) (replica *testbed.Service, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	chosen := d.open[turn%len(d.open)]
	chosen.inside.Add(1)
	return chosen.replica, chosen.inside.Done
}
