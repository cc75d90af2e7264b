package dinner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/scaler"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// fleetName is the label of the replicas.
	fleetName = "web"
	// storyFactor is how much faster the clock of the policy passes than the run. It is that of lab 06, half of
	// that of the evening. The engine tells the CPU use once a second, and the windows of lab 06 accept no
	// gap of two minutes.
	storyFactor = 60
	// readEvery is the time of the run from one reading of the replicas to the next: half a minute
	// of that clock.
	readEvery = 500 * time.Millisecond
	// startLimit bounds the start of the first replicas.
	startLimit = 40 * time.Second
	// hurryEvery is the time from one look for new replicas to the next.
	hurryEvery = 200 * time.Millisecond
)

// fleet is the replicas, the controller that keeps their number and the balancer's list of them.
type fleet struct {
	bed      *testbed.Bed
	service  testbed.ServiceOptions
	clock    scaler.Clock
	balancer *balancer.Controller
	scaler   *scaler.Controller
	begun    atomic.Pointer[time.Time] // story time at which the dinner began; nil before
	ends     []func() error
}

// openFleet starts the first replicas and waits until nginx has all of them.
func (s *Stack) openFleet(ctx context.Context) (err error) {
	replicas := s.o.Plan.Replicas
	f := &fleet{bed: s.Bed, service: s.service(replicas.Type), clock: scaler.Clock{Start: time.Now(), Factor: storyFactor}}
	f.service.Labels = map[string]string{scaler.LabelFleet: fleetName}
	if f.balancer, err = balancer.New(balancer.Config{Publisher: s.Balancer.File(rig.UpstreamsFile)}); err != nil {
		return err
	}
	containers, err := scaler.NewContainers(scaler.ContainersOptions{Bed: s.Bed, Name: fleetName, Service: s.service(replicas.Type), Balancer: f.balancer})
	if err != nil {
		return err
	}
	fewest, most := replicas.Fewest(), replicas.Most()
	f.scaler, err = scaler.New(scaler.Config{
		Fleet: containers, Policy: f.policy(replicas, s.o.Policy), Clock: f.clock, Interval: readEvery, Min: fewest, Max: most,
		Limits: scaler.Limits{Start: hostspeed.Wait(startLimit)},
	})
	if err != nil {
		return err
	}
	f.ends = append(f.ends, rig.InBackground(f.balancer.Run), rig.InBackground(f.scaler.Run))
	s.fleet = f
	limit := hostspeed.Wait(startLimit)
	endHurry := rig.InBackground(f.hurry)
	defer func() { err = errors.Join(err, endHurry()) }()
	wait, cancel := context.WithTimeoutCause(ctx, limit, &testbed.LateError{What: "the first replicas are not ready", Within: limit})
	defer cancel()
	if _, err := f.balancer.Await(wait, func(names []string) bool { return len(names) >= replicas.First() }); err != nil {
		return fmt.Errorf("start %d replicas: %w", replicas.First(), errors.Join(err, f.lastWords(ctx)))
	}
	return nil
}

// hurry lifts the quota of each replica as soon as it exists, until ctx ends. At a tenth of a core the
// start of five replicas takes seven seconds. Stack.throttle gives the quotas back.
func (f *fleet) hurry(ctx context.Context) error {
	lifted := make(map[string]bool)
	for rig.Pause(ctx, hurryEvery) == nil {
		found, err := f.found(ctx)
		if err != nil {
			break // ctx has ended, or the start of the replicas fails for the same reason
		}
		for _, r := range found {
			if r.Running && !lifted[r.ContainerID()] {
				lifted[r.ContainerID()] = r.Resize(ctx, r.Type().FullSpeed()) == nil
			}
		}
	}
	return nil
}

// policy returns the policy of lab 06 within the plan's bounds, or one that keeps the plan's number. The
// policy sees no reading from before the dinner, when the replicas had no quota.
func (f *fleet) policy(replicas plan.Replicas, scaling autoscale.Policy) autoscale.Policy {
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		begun := f.begun.Load()
		if replicas.Policy == nil || begun == nil || state.Running == 0 {
			return replicas.First()
		}
		seen := slices.DeleteFunc(slices.Clone(history), func(r autoscale.Reading) bool { return r.At.Before(*begun) })
		return min(max(scaling(seen, now, state), replicas.Policy.Min), replicas.Policy.Max)
	}
}

// begin lets the policy decide from now on.
func (f *fleet) begin() {
	now := f.clock.Story(time.Now())
	f.begun.Store(&now)
}

// found asks the engine for the replicas.
func (f *fleet) found(ctx context.Context) ([]testbed.Found, error) {
	return f.bed.FindServices(ctx, f.service)
}

// lastWords returns the logs of replicas that did not become ready, as an error.
func (f *fleet) lastWords(ctx context.Context) error {
	found, err := f.found(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range found {
		if slices.Contains(f.balancer.Published(), r.Name()) {
			continue
		}
		const lines = 5
		if log, err := r.Logs(ctx, lines); err == nil {
			errs = append(errs, fmt.Errorf("the log of %s ends with: %s", r.Name(), log))
		}
	}
	return errors.Join(errs...)
}

// close ends both controllers, the scaler first.
func (f *fleet) close() error {
	var errs []error
	for _, end := range slices.Backward(f.ends) {
		errs = append(errs, end())
	}
	f.ends = nil
	return errors.Join(errs...)
}
