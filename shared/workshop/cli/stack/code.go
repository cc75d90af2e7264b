package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Lab is a lab whose code a stack runs.
type Lab struct {
	Number int
	Dir    string // from the module's root, with slashes
}

// id is the number as a learner types it.
func (l Lab) id() string { return fmt.Sprintf("%02d", l.Number) }

// The labs that bring a profile.
const (
	replicasLab = 2
	cacheLab    = 3
	shardingLab = 4
	queueLab    = 5
)

// stackCode is the code and the configuration that a stack runs.
type stackCode struct {
	service  string // main package
	replicas string // arguments of the replicas' service
	nginx    string // nginx.conf, from the module's root
	redis    string // redis.conf, from the module's root
	sharded  bool   // user data is on servers of its own
}

// chooseCode returns the profiles to start and their code. With a lab, that is the lab's code,
// and the solution's nginx.conf or redis.conf if the lab has none. Without a lab, it is the code
// of the solutions up to the last lab that brings one of the profiles. A *UsageError names a
// profile that does not exist, or that the lab's code does not use.
func (s *Stack) chooseCode(names []string, l *Lab) ([]profile, stackCode, error) {
	code := stackCode{
		service: ServicePackage,
		nginx:   "./solutions/02-horizontal/nginx.conf",
		redis:   "./solutions/03-cache/redis.conf",
	}
	number := 0
	if l != nil {
		number = l.Number
	}
	chosen, err := choose(names, number)
	if err != nil {
		return nil, code, err
	}
	code.sharded = slices.Contains(namesOf(chosen), shardingProfile)
	if l == nil {
		through := replicasLab
		for _, p := range chosen {
			through = max(through, p.lab)
		}
		code.replicas = fmt.Sprintf("--through %02d", through)
		return chosen, code, nil
	}
	if err := l.uses(namesOf(chosen)); err != nil {
		return nil, code, err
	}
	code.service = "./" + l.Dir + "/service"
	for _, own := range []struct {
		name string
		file *string
	}{{"nginx.conf", &code.nginx}, {"redis.conf", &code.redis}} {
		conf := "./" + l.Dir + "/" + own.name
		switch _, err := os.Stat(filepath.Join(s.Root, conf)); {
		case err == nil:
			*own.file = conf
		case !errors.Is(err, fs.ErrNotExist):
			return nil, code, fmt.Errorf("look for %s: %w", conf, err)
		}
	}
	return chosen, code, nil
}

// uses returns a *UsageError for a profile whose servers the lab's code does not use yet.
func (l Lab) uses(chosen []string) error {
	for _, need := range []struct {
		profile     string
		since       int
		what, other string
	}{
		{cacheProfile, cacheLab, "the cache", "horizontal"},
		{shardingProfile, shardingLab, "the shards", cacheProfile},
		{queueProfile, queueLab, "the queue", shardingProfile},
	} {
		if slices.Contains(chosen, need.profile) && l.Number < need.since {
			return usagef("lab %s does not use %s yet; use profile %s", l.id(), need.what, need.other)
		}
	}
	return nil
}
