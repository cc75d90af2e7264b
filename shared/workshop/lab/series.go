package lab

import "errors"

// Series is several runs of one lab, one after another, such as those of its wrong answers.
// It keeps what the next run can use again, such as a test bed with its servers. A run
// without a series keeps nothing. The methods are for one goroutine.
type Series struct{ kept map[string]kept }

// kept is a thing between two runs.
type kept struct {
	thing any
	close func() error
}

// Keep stores a thing under a name for the next run. Close calls close unless Take took the
// thing back before. There must be no other thing of that name.
func (s *Series) Keep(name string, thing any, close func() error) {
	if s.kept == nil {
		s.kept = make(map[string]kept)
	}
	s.kept[name] = kept{thing, close}
}

// Take returns the thing of that name, and nil when there is none. The caller then owns it.
func (s *Series) Take(name string) any {
	thing := s.kept[name].thing
	delete(s.kept, name)
	return thing
}

// Close closes what no run has taken back.
func (s *Series) Close() error {
	var errs []error
	for _, k := range s.kept {
		errs = append(errs, k.close())
	}
	s.kept = nil
	return errors.Join(errs...)
}
