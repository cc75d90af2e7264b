package spec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// lastWordsLength is how much of a mover's log a failure shows.
	lastWordsLength = 700 // bytes
	// moverLog has what all movers of a run wrote.
	moverLog = "mover.log"
)

// mover is the program in its role of moving user data.
type mover struct {
	trial *trial
	goal  string
	role  *testbed.Role
	// ended gets what became of it, once.
	ended chan outcome
	seen  *outcome
}

// outcome is how a mover ended.
type outcome struct {
	code int // its exit code
	log  string
	err  error
}

// startMover starts a mover for a goal. It finds the map, and shard 1, by links.
func (l *trial) startMover(ctx context.Context, goal string) (*mover, error) {
	service := l.service(l.moverLink)
	service.Env = map[string]string{
		"BYTEBITES_CATALOGUE_DB":  l.servers.DB.URLVia(l.mapLink),
		"BYTEBITES_DATABASE_TYPE": l.scale.machine.Name,
		"BYTEBITES_LARGEST_TYPE":  l.scale.machine.Name,
	}
	service.Type = serviceType().FullSpeed()
	role, err := l.servers.Bed.Role(ctx, testbed.RoleOptions{Service: service, Name: "mover-to-" + goal, Role: "migrate", Args: []string{goal}})
	if err != nil {
		return nil, err
	}
	m := &mover{trial: l, goal: goal, role: role}
	m.await(ctx)
	return m, nil
}

// await has the mover's end told, also after it was started again.
func (m *mover) await(ctx context.Context) {
	m.ended, m.seen = make(chan outcome, 1), nil
	ended := m.ended
	go func() {
		code, log, err := m.role.Wait(ctx)
		ended <- outcome{code, log, err}
	}()
}

// hasEnded returns how the mover ended; nil while it runs.
func (m *mover) hasEnded() *outcome {
	if m.seen == nil {
		select {
		case o := <-m.ended:
			m.seen = &o
		default:
		}
	}
	return m.seen
}

// wait waits for the mover's end, for moveTime at most.
func (m *mover) wait(ctx context.Context) (outcome, error) {
	if m.seen != nil {
		return *m.seen, m.seen.err
	}
	select {
	case o := <-m.ended:
		m.seen = &o
		return o, o.err
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	case <-time.After(m.trial.scale.moveTime):
		return outcome{}, &lab.Failure{
			Expected: fmt.Sprintf("a mover that is done with %s within %s", m.goal, m.trial.scale.moveTime),
			Seen:     fmt.Sprintf("it is still running, %s: %s", m.trial.when(), m.lastWords(ctx)), Look: lab.Look{Hint: "migrate.go, and " + moverLog},
		}
	}
}

// waitDone waits until the mover has done what it was started for.
func (m *mover) waitDone(ctx context.Context) error {
	o, err := m.wait(ctx)
	if err != nil {
		return err
	}
	if o.code != 0 {
		return m.failed(o)
	}
	return nil
}

// failed is the failure of a mover that ended with an exit code that is not 0.
func (m *mover) failed(o outcome) error {
	return &lab.Failure{
		Expected: fmt.Sprintf("a mover that comes to %s and ends with exit code 0", m.goal),
		Seen:     fmt.Sprintf("exit code %d %s: %s", o.code, m.trial.when(), why(o.log)), Look: lab.Look{Hint: "migrate.go, and " + moverLog + " in " + evidenceFolder},
	}
}

func (m *mover) lastWords(ctx context.Context) string {
	log, err := m.role.Logs(ctx, 10)
	if err != nil {
		return err.Error()
	}
	return tail(log)
}

// why is what a log says beside how things went, or how they went last.
func why(log string) string {
	if said := strings.TrimSpace(reasons(log)); said != "" {
		return tail(said)
	}
	return tail(log)
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

func tail(log string) string {
	log = strings.TrimSpace(log)
	if len(log) > lastWordsLength {
		log = "..." + log[len(log)-lastWordsLength:]
	}
	return log
}

// awaitPhase waits until the map is in a phase, or further, and reports whether it came there
// before the mover had ended. A mover that ends with an error has failed.
func (m *mover) awaitPhase(ctx context.Context, phase shard.Phase) (bool, error) {
	for deadline := time.Now().Add(m.trial.scale.moveTime); ; time.Sleep(lookEvery) {
		now, err := m.trial.readMap(ctx)
		if err != nil {
			return false, err
		}
		o := m.hasEnded()
		switch {
		case now.Phase >= phase:
			return true, nil
		case o != nil && o.err != nil:
			return false, o.err
		case o != nil && o.code != 0:
			return false, m.failed(*o)
		case o != nil:
			return false, nil
		case time.Now().After(deadline):
			return false, &lab.Failure{
				Expected: fmt.Sprintf("the phase %s within %s", phase, m.trial.scale.moveTime),
				Seen:     fmt.Sprintf("%s, and the mover says: %s", now.Phase, m.lastWords(ctx)), Look: lab.Look{Hint: "migrate.go"},
			}
		}
	}
}

// kill ends the mover at once, where the map is now: it is cut off from the map first, so that it
// cannot take another step while it dies.
func (m *mover) kill(ctx context.Context) error {
	if err := m.trial.mapLink.Cut(ctx); err != nil {
		return err
	}
	killed := m.role.Kill(ctx)
	if err := m.trial.mapLink.Restore(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(killed, err)
	}
	if killed != nil && !m.endsSoon() { // else there was nobody left to kill
		return killed
	}
	_, err := m.wait(ctx)
	return err
}

// endsSoon reports whether the mover has ended, of which the engine may tell a moment later.
func (m *mover) endsSoon() bool {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(lookEvery) {
		if m.hasEnded() != nil {
			return true
		}
	}
	return false
}

// again starts a mover that was killed once more.
func (m *mover) again(ctx context.Context) error {
	if err := m.role.Start(ctx); err != nil {
		return err
	}
	m.await(ctx)
	return nil
}

// remove takes a mover away, whatever became of it, and keeps what it wrote, however often it
// was started.
func (m *mover) remove(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	log, err := m.role.Logs(ctx, 0)
	if err == nil {
		fmt.Fprintf(&m.trial.moverLog, "--- %s\n%s\n", m.role.Name(), strings.TrimSpace(log))
		err = evidence.Keep(Name, moverLog, []byte(m.trial.moverLog.String()))
	}
	return errors.Join(err, m.role.Remove(ctx))
}
