package dinner

import (
	"context"
	"errors"
	"strings"

	"bytebites.example/workshop/shared/testbed"
)

// releaseName is the name of the replica that a bad deployment starts.
const releaseName = "release"

// Release is what a deployment with a wrong configuration came to.
type Release struct {
	Served bool   // it became ready, although its configuration is wrong
	Said   string // why it did not start
	// Left is the number of its containers after the rollback.
	Left int
	// Before and After are the numbers of replicas on nginx's list, before the deployment and after the
	// rollback.
	Before, After int
}

// deploy starts a replica whose list of shards lacks the last one. The map of lab 04 names a server that
// it does not know, so it must not become ready. Then the deployment is rolled back.
func (e *evening) deploy(ctx context.Context) error {
	s := e.stack
	o := s.service(s.o.Plan.Replicas.Type)
	o.Name = releaseName
	o.Labels = map[string]string{"bytebites.release": releaseName}
	o.Shards = o.Shards[:len(o.Shards)-1]
	seen := Release{Before: len(s.fleet.balancer.Published())}
	limit, cancel := context.WithTimeout(ctx, deployLimit)
	defer cancel()
	service, err := s.Bed.Service(limit, o)
	var refused *testbed.StartError
	switch {
	case err == nil:
		seen.Served = true
		err = service.Remove(ctx)
	case errors.As(err, &refused):
		seen.Said, err = reason(refused.Logs), nil
	}
	if err != nil {
		return err
	}
	found, err := s.Bed.FindServices(ctx, o)
	if err != nil {
		return err
	}
	seen.Left, seen.After = len(found), len(s.fleet.balancer.Published())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen.Release = seen
	return nil
}

// reason returns the last line of a log.
func reason(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}
