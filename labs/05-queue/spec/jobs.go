package spec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
)

// wordsLength is how much of a job's log a failure shows.
const wordsLength = 400 // bytes

// job is the subject's program in a role.
type job struct{ role *testbed.Role }

// startJob starts the program in a role, at full speed. The relay has a way to the broker of its own.
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
	l.jobs = append(l.jobs, j)
	return j, nil
}

// killWorker ends a worker at once, and notes when.
func (l *trial) killWorker(ctx context.Context, worker *job) error {
	err := worker.role.Kill(ctx)
	l.kills = append(l.kills, time.Now())
	return err
}

// startSecond starts a second worker, where there is none yet.
func (l *trial) startSecond(ctx context.Context) (err error) {
	if l.second == nil {
		l.second, err = l.startJob(ctx, "worker-2", "worker")
	}
	return err
}

// words says what the relay and the workers complained of last, for a failure that nobody else
// explains.
func (l *trial) words(ctx context.Context) string {
	var all strings.Builder
	for _, j := range l.jobs {
		log, err := j.role.Logs(ctx, 20)
		if err != nil {
			log = err.Error()
		}
		if said := tail(reasons(log)); said != "" {
			fmt.Fprintf(&all, "; the %s says: %s", j.role.Name(), said)
		}
	}
	return all.String()
}

// keepLog keeps all that a job wrote, however often it was started.
func (j *job) keepLog(ctx context.Context) error {
	log, err := j.role.Logs(ctx, 0)
	if err != nil {
		return err
	}
	return evidence.Keep(Name, j.role.Name()+".log", []byte(log))
}

// reasons is what a log says beside how things go.
func reasons(log string) string {
	var all strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"INFO"`) {
			all.WriteString(line)
		}
	}
	return all.String()
}

// tail is the end of a log.
func tail(log string) string {
	log = strings.TrimSpace(log)
	if len(log) > wordsLength {
		log = "..." + log[len(log)-wordsLength:]
	}
	return log
}
