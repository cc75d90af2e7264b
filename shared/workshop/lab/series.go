package lab

import (
	"errors"
	"sync"
)

// Series is several runs of one lab, one after another, such as those of its wrong answers.
// It keeps what the next run can use again, such as a test bed with its servers. A run
// without a series keeps nothing. Stages that start side by side may call the methods.
type Series struct {
	mu   sync.Mutex
	kept map[string][]kept
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

// Take returns a thing of that name, and nil when there is none. The caller then owns it.
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

// Close closes what no run has taken back.
func (s *Series) Close() error {
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
