package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bytebites.example/workshop/shared/workshop/course"
)

// Lab is a lab whose code a stack runs.
type Lab struct {
	Number int
	Dir    string // from the module's root, with slashes
}

// id is the number as a learner types it.
func (l Lab) id() string { return fmt.Sprintf("%02d", l.Number) }

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
func (s *Stack) chooseCode(names []string, l *Lab) ([]course.LabProfile, stackCode, error) {
	code := stackCode{
		service: ServicePackage,
		nginx:   solutionOf(s.Course, "nginx.conf"),
		redis:   solutionOf(s.Course, "redis.conf"),
	}
	number := 0
	if l != nil {
		number = l.Number
	}
	chosen, err := choose(s.Course, names, number)
	if err != nil {
		return nil, code, err
	}
	code.sharded = slices.Contains(namesOf(chosen), shardingProfile)
	if l == nil {
		replicas, err := findProfile(s.Course, horizontalProfile)
		if err != nil {
			return nil, code, err
		}
		through := replicas.Lab
		for _, p := range chosen {
			through = max(through, p.Lab)
		}
		code.replicas = fmt.Sprintf("--through %02d", through)
		return chosen, code, nil
	}
	if err := l.uses(chosen); err != nil {
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

// solutionOf returns the solution of a file that the learner of one lab edits, from the module's
// root. It is empty when no lab has such a file.
func solutionOf(labs course.Course, file string) string {
	for _, l := range labs {
		if slices.Contains(l.Editable(), file) {
			return "./" + l.SolutionDir() + "/" + file
		}
	}
	return ""
}

// uses returns a *UsageError for a profile whose servers the lab's code does not use yet.
func (l Lab) uses(chosen []course.LabProfile) error {
	for _, p := range chosen {
		if p.Use != "" && l.Number < p.Lab {
			return usagef("lab %s does not use %s yet; use profile %s", l.id(), p.Use, p.Instead)
		}
	}
	return nil
}
