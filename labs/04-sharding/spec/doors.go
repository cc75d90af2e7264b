package spec

import (
	"sync"

	"bytebites.example/workshop/shared/testbed"
)

// doors are the replicas that people use. Replicas may be taken away, and others put there,
// while people come and go.
type doors struct {
	mu   sync.Mutex
	open []*door
}

// door is one replica, and who is inside.
type door struct {
	replica *testbed.Service
	inside  sync.WaitGroup
}

func newDoors(replicas []*testbed.Service) *doors {
	d := &doors{}
	d.set(replicas)
	return d
}

// set opens these doors and no others, and returns when nobody is inside the others any more.
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

// enter goes through the door whose turn it is. Who has entered must leave.
func (d *doors) enter(turn int) (replica *testbed.Service, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	chosen := d.open[turn%len(d.open)]
	chosen.inside.Add(1)
	return chosen.replica, chosen.inside.Done
}
