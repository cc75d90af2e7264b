package checkout

import (
	"context"
	"fmt"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
)

// keyLocks holds a lock for each subscriber and Idempotency-Key that a request is at.
type keyLocks struct {
	mu    sync.Mutex
	locks map[orderKey]*keyLock
}

type orderKey struct {
	user bytebites.UserID
	key  string
}

type keyLock struct {
	taken chan struct{} // of size 1
	users int           // requests that hold the lock or wait for it
}

// lock takes the lock of a key. It returns the cause of ctx's end if that comes first.
func (l *keyLocks) lock(ctx context.Context, key orderKey) (unlock func(), err error) {
	lock := l.join(key)
	select {
	case lock.taken <- struct{}{}:
	case <-ctx.Done():
		l.leave(key, lock)
		return nil, context.Cause(ctx)
	}
	unlock = sync.OnceFunc(func() {
		<-lock.taken
		l.leave(key, lock)
	})
	if ctx.Err() != nil { // select picks at random when both are ready
		unlock()
		return nil, context.Cause(ctx)
	}
	return unlock, nil
}

func (l *keyLocks) join(key orderKey) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock, ok := l.locks[key]
	if !ok {
		if l.locks == nil {
			l.locks = make(map[orderKey]*keyLock)
		}
		lock = &keyLock{taken: make(chan struct{}, 1)}
		l.locks[key] = lock
	}
	lock.users++
	return lock
}

// leave forgets a lock that no request uses, so that the map does not grow.
func (l *keyLocks) leave(key orderKey, lock *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.locks, key)
	}
}

// LockKey waits until no other request of this process is placing the same order: one of the
// same subscriber under the same Idempotency-Key. Orders of other subscribers do not wait.
// The error is ErrBusy when ctx ends first. Unlock may be called more than once.
func (s *Steps) LockKey(ctx context.Context, request bytebites.OrderRequest) (unlock func(), err error) {
	err = s.Timed(StepLockWait, func() (err error) {
		unlock, err = s.keys.lock(ctx, orderKey{request.User, request.IdempotencyKey})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for an earlier request with the same Idempotency-Key: %w: %w", bytebites.ErrBusy, err)
	}
	return unlock, nil
}
