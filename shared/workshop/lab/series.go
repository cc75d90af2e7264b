package lab

import (
	"context"
	"errors"
	"sync"
)

// Series is several runs of one lab, such as those of its wrong answers. A few of them may run at
// a time. It keeps a test bed with its servers for the next run, and the machine, which
// the first run claims for all. A run without a series keeps nothing. Runs and
// stages that go on side by side may call the methods.
type Series struct {
	mu   sync.Mutex
	kept map[string][]kept

	claiming sync.Mutex // held while the first run waits for the machine
	release  func()     // gives the machine back; nil while it is not claimed
}

// kept is a thing between two runs.
type kept struct {
	thing any
	close func() error
}

// Keep stores a thing under a name for the next run. Close calls close unless Take took the
// thing back before. There may be several things of one name.
func (s *Series) Keep(name string, thing any, close func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = make(map[string][]kept)
	}
	s.kept[name] = append(s.kept[name], kept{thing, close})
}

// Take returns a kept thing of that name, which the caller then owns. It returns nil without one.
func (s *Series) Take(name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.kept[name]
	if len(all) == 0 {
		return nil
	}
	last := all[len(all)-1]
	s.kept[name] = all[:len(all)-1]
	return last.thing
}

// claim waits for the machine by the first run's claim, unless an earlier run has done so. Close
// gives it back.
func (s *Series) claim(ctx context.Context, run *Run, claim func(context.Context, *Run) (func(), error)) error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.release != nil {
		return nil
	}
	release, err := claim(ctx, run)
	if err != nil {
		return err
	}
	s.release = release
	return nil
}

// Close closes what no run has taken back, and gives the machine back.
func (s *Series) Close() error {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	if s.release != nil {
		release := s.release
		s.release = nil
		defer release()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, all := range s.kept {
		for _, k := range all {
			errs = append(errs, k.close())
		}
	}
	s.kept = nil
	return errors.Join(errs...)
}
