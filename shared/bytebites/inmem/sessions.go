// Package inmem stores sessions in the memory of one process.
//
// That is a fault of the baseline. A second replica does not have the sessions, and they are
// lost when the process ends. Lab 02 moves them to storage that all replicas share.
package inmem

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// Store is a bounded set of sessions, safe for concurrent use.
type Store struct {
	now func() time.Time
	max int

	mu     sync.Mutex
	byHash map[[32]byte]*entry
	expiry expiryHeap // the session that expires next is first
}

// New returns a store of at most max sessions. In a full store, a new session replaces the
// session that expires next. If now is nil, the store uses time.Now.
func New(max int, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{now: now, max: max, byHash: make(map[[32]byte]*entry)}
}

// Create stores a session. It replaces an earlier session of the same token.
func (s *Store) Create(_ context.Context, session bytebites.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evictExpired()
	if old, ok := s.byHash[session.TokenHash]; ok {
		s.remove(old)
	}
	for len(s.expiry) >= s.max && len(s.expiry) > 0 {
		s.remove(s.expiry[0])
	}
	e := &entry{session: session}
	s.byHash[session.TokenHash] = e
	heap.Push(&s.expiry, e)
	return nil
}

// Session returns a session that has not expired, or bytebites.ErrNotFound.
func (s *Store) Session(_ context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byHash[tokenHash]
	if !ok {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	if !s.now().Before(e.session.ExpiresAt) {
		s.remove(e)
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return e.session, nil
}

// Delete deletes a session. Deleting an unknown session changes nothing.
func (s *Store) Delete(_ context.Context, tokenHash [32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byHash[tokenHash]; ok {
		s.remove(e)
	}
	return nil
}

// Len returns the number of stored sessions, including expired ones.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byHash)
}

func (s *Store) evictExpired() {
	now := s.now()
	for len(s.expiry) > 0 && !now.Before(s.expiry[0].session.ExpiresAt) {
		s.remove(s.expiry[0])
	}
}

func (s *Store) remove(e *entry) {
	heap.Remove(&s.expiry, e.index)
	delete(s.byHash, e.session.TokenHash)
}

type entry struct {
	session bytebites.Session
	index   int // in the heap
}

// expiryHeap is a heap of sessions, ordered by time of expiry. It implements heap.Interface.
type expiryHeap []*entry

func (h expiryHeap) Len() int { return len(h) }

func (h expiryHeap) Less(i, j int) bool {
	return h[i].session.ExpiresAt.Before(h[j].session.ExpiresAt)
}

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push appends an entry. Only package heap calls it.
func (h *expiryHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop removes and returns the last entry. Only package heap calls it.
func (h *expiryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
