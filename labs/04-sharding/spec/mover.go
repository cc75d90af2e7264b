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
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// moverLog is the file with the logs of all movers of a run.
	moverLog = "mover.log"
)

// mover is the subject's program in its role migrate.
type mover struct {
	trial *trial
	goal  string
	role  *testbed.Role
	// ended gets the outcome, once.
	ended chan outcome
	seen  *outcome
}

// outcome is the end of a mover.
type outcome struct {
	code int // its exit code
	log  string
	err  error
}

// startMover starts a mover to a goal. It reaches the map, and shard 1, by the links if there
// are any.
func (l *trial) startMover(ctx context.Context, goal string) (*mover, error) {
	service := l.service(l.moverLink)
	service.Env = map[string]string{
		"BYTEBITES_DATABASE_TYPE": l.scale.machine.Name,
		"BYTEBITES_LARGEST_TYPE":  l.scale.machine.Name,
	}
	if l.mapLink != nil {
		service.Env["BYTEBITES_CATALOGUE_DB"] = l.servers.DB.URLVia(l.mapLink)
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

// await waits for the mover's end in the background. It is called after each start.
func (m *mover) await(ctx context.Context) {
	m.ended, m.seen = make(chan outcome, 1), nil
	ended := m.ended
	go func() {
		code, log, err := m.role.Wait(ctx)
		ended <- outcome{code, log, err}
	}()
}

// hasEnded returns the outcome; nil while the mover runs.
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

// wait waits for the mover's end, for phaseTime at most.
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
	case <-time.After(m.trial.scale.phaseTime):
		return outcome{}, &lab.Failure{
			Expected: fmt.Sprintf("a mover that reaches %s within %s", m.goal, m.trial.scale.phaseTime),
			Seen:     fmt.Sprintf("it is still running, %s: %s", m.trial.when(), m.lastLines(ctx)), Waited: lab.Last(m.trial.scale.phaseTime),
			Look: lab.Look{File: "migrate.go", Func: "migrate", Hint: "what does it wait for? See mover.log in .workshop/04-sharding"},
		}
	}
}

// waitDone waits until the mover has reached its goal.
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

// refusal begins the error of a mover whose pre-flight check does not pass: see shardstore.Role.
const refusal = "pre-flight: "

// failed returns the failure of a mover whose exit code is not 0. A refusal by the pre-flight check
// is no fault of the learner's code: the check reads the statistics of the old server.
func (m *mover) failed(o outcome) error {
	if strings.Contains(rig.WithoutInfo(o.log), refusal) {
		return fmt.Errorf("the pre-flight check refuses a move of this data, before your code is called: %s", why(o.log))
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("a mover that reaches %s and ends with exit code 0", m.goal),
		Seen:     fmt.Sprintf("exit code %d %s: %s", o.code, m.trial.when(), why(o.log)),
		Look:     lab.Look{File: "migrate.go", Func: "migrate", Hint: "see mover.log in .workshop/04-sharding"},
	}
}

func (m *mover) lastLines(ctx context.Context) string {
	log, err := m.role.Logs(ctx, 10)
	if err != nil {
		return err.Error()
	}
	return rig.Tail(log)
}

// why returns the end of the warnings and errors of a log; of the whole log without any.
func why(log string) string {
	if said := strings.TrimSpace(rig.WithoutInfo(log)); said != "" {
		return rig.Tail(said)
	}
	return rig.Tail(log)
}

// awaitPhase waits until the map is in a phase, or in a later one. It returns false when the
// mover ended before that, and a failure when it ended with an error.
func (m *mover) awaitPhase(ctx context.Context, phase shard.Phase) (bool, error) {
	for deadline := time.Now().Add(m.trial.scale.phaseTime); ; _ = rig.Pause(ctx, pollPause) {
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
				Expected: fmt.Sprintf("the phase %s within %s", phase, m.trial.scale.phaseTime),
				Seen:     fmt.Sprintf("%s, and the mover says: %s", now.Phase, m.lastLines(ctx)), Waited: lab.Last(m.trial.scale.phaseTime),
				Look: lab.Look{File: "migrate.go", Func: "migrate", Hint: "what does it wait for? See mover.log in .workshop/04-sharding"},
			}
		}
	}
}

// kill kills the mover. It cuts the mover off from the map first, so that the map does not change
// any more while the mover dies.
func (m *mover) kill(ctx context.Context) error {
	if err := m.trial.mapLink.Cut(ctx); err != nil {
		return err
	}
	killed := m.role.Kill(ctx)
	if err := m.trial.mapLink.Restore(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(killed, err)
	}
	if killed != nil && !m.endsSoon() { // otherwise it had ended by itself
		return killed
	}
	_, err := m.wait(ctx)
	return err
}

// endsSoon reports whether the mover has ended. The engine may say so a moment later.
func (m *mover) endsSoon() bool {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(pollPause) {
		if m.hasEnded() != nil {
			return true
		}
	}
	return false
}

// again starts a mover that was killed.
func (m *mover) again(ctx context.Context) error {
	if err := m.role.Start(ctx); err != nil {
		return err
	}
	m.await(ctx)
	return nil
}

// remove removes a mover, and adds its log, of all its starts, to the evidence.
func (m *mover) remove(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	log, err := m.role.Logs(ctx, 0)
	if err == nil {
		fmt.Fprintf(&m.trial.moverLog, "--- %s\n%s\n", m.role.Name(), strings.TrimSpace(log))
		err = evidence.Keep(Name, moverLog, []byte(m.trial.moverLog.String()))
	}
	return errors.Join(err, m.role.Remove(ctx))
}
