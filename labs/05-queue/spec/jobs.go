package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/rig"
)

// job is a process of the subject's program in a role: the relay, a worker, a replay.
type job struct{ role *testbed.Role }

// startJob starts the program in a role, at full speed. The relay reaches the broker by a link
// of its own.
func (l *trial) startJob(ctx context.Context, name, role string, args ...string) (*job, error) {
	o := testbed.RoleOptions{Service: l.service(""), Name: name, Role: role, Args: args}
	if role == "relay" {
		o.Service.BrokerURL = l.broker.URLVia(l.relayLink)
	}
	started, err := l.servers.Bed.Role(ctx, o)
	if err != nil {
		return nil, err
	}
	j := &job{started}
	l.jobsMu.Lock()
	defer l.jobsMu.Unlock()
	l.jobs = append(l.jobs, j)
	return j, nil
}

// staff starts or stops the second worker, so that n workers run: one or two.
func (l *trial) staff(ctx context.Context, n int) (err error) {
	switch {
	case n == l.workers:
		return nil
	case n == 1:
		err = l.second.role.Stop(ctx)
	case l.second == nil:
		l.second, err = l.startJob(ctx, "worker-2", "worker")
	default:
		err = l.second.role.Start(ctx)
	}
	if err == nil {
		l.workers = n
	}
	return err
}

// killWorker kills a worker, and notes the time.
func (l *trial) killWorker(ctx context.Context, worker *job) error {
	err := worker.role.Kill(ctx)
	l.kills = append(l.kills, time.Now())
	return err
}

func (l *trial) allJobs() []*job {
	l.jobsMu.Lock()
	defer l.jobsMu.Unlock()
	return slices.Clone(l.jobs)
}

// warnings returns the backlog of each outbox, and the last warnings and errors in the logs of the
// relay and the workers. Failures quote them.
func (l *trial) warnings(ctx context.Context) string {
	var all strings.Builder
	all.WriteString(l.backlogs(ctx))
	for _, j := range l.allJobs() {
		log, err := j.role.Logs(ctx, 20)
		if err != nil {
			log = err.Error()
		}
		if text := rig.Tail(rig.WithoutInfo(log)); text != "" {
			fmt.Fprintf(&all, "; the log of %s: %s", j.role.Name(), text)
		}
	}
	return all.String()
}

// backlogs says how many events wait in each outbox, and how long the oldest has waited.
func (l *trial) backlogs(ctx context.Context) string {
	var each []string
	for _, n := range l.nodes {
		var events int
		var oldest float64
		err := n.pool.QueryRowContext(ctx,
			`SELECT count(*), coalesce(extract(epoch FROM now() - min(added_at)), 0) FROM outbox`).Scan(&events, &oldest)
		switch {
		case err != nil:
			each = append(each, fmt.Sprintf("%s: %v", n.name, err))
		case events == 0:
			each = append(each, n.name+" none")
		default:
			each = append(each, fmt.Sprintf("%s %d, the oldest for %.0f s", n.name, events, oldest))
		}
	}
	return "; events in the outboxes: " + strings.Join(each, ", ")
}

// keepLogs keeps the logs of all jobs as evidence, of all their starts.
func (l *trial) keepLogs() error {
	var failures []error
	for _, j := range l.allJobs() {
		log, err := j.role.Logs(context.Background(), 0)
		if err == nil {
			err = evidence.Keep(Name, j.role.Name()+".log", []byte(log))
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
