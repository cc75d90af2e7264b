package spec

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

// capacity is what one replica takes at full CPU, in requests a second.
const capacity = 100

func lookSettle(hint string) lab.Look {
	return lab.Look{File: "policy.go", Func: "settle", Hint: hint}
}

// phase is a utilisation that a number of replicas has from a time on.
type phase struct {
	from        time.Duration
	utilisation float64
}

// scene returns a scene in which the load would put that many replicas at the utilisations of the
// phases.
func scene(replicas int, length time.Duration, phases ...phase) simulate.Scene {
	return simulate.Scene{
		Begin: five(), Length: length, Every: every, Capacity: capacity, Running: replicas, StartTime: 2 * time.Minute,
		Load: func(since time.Duration) float64 {
			load := 0.0
			for _, p := range phases {
				if since >= p.from {
					load = p.utilisation * float64(replicas) * capacity
				}
			}
			return load
		},
	}
}

// play plays a scene. A panic of the policy is the learner's to mend.
func play(s simulate.Scene, policy autoscale.Policy, look lab.Look) (played simulate.Played, err error) {
	defer rescue(&err, look)
	return s.Play(policy), nil
}

// firstChange returns the first change of a scene, after the number at its beginning.
func firstChange(p simulate.Played) (at time.Duration, from, to int, changed bool) {
	if len(p.Changes) < 2 {
		return 0, p.Changes[0].Running, p.Changes[0].Running, false
	}
	return p.Changes[1].At.Sub(p.Changes[0].At), p.Changes[0].Running, p.Changes[1].Running, true
}

// clock is a time since the beginning of a scene, as minutes and seconds.
func clock(since time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(since.Minutes()), int(since.Seconds())%60)
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// unmoved demands that a policy makes no change in a scene.
func (l *trial) unmoved(s simulate.Scene, what, hint string) error {
	look := lookSettle(hint)
	played, err := play(s, l.subject.Policy, look)
	if err != nil {
		return err
	}
	at, from, to, changed := firstChange(played)
	if !changed {
		return nil
	}
	return &lab.Failure{
		Expected: "no change " + what,
		Seen: fmt.Sprintf("%s, the first from %d replicas to %d, %s minutes after the start of the run",
			counted(len(played.Changes)-1, "change"), from, to, clock(at)),
		Look: look,
	}
}

func (l *trial) spike(context.Context, *lab.Run) error {
	hint := "did all readings of the last five minutes ask for more?"
	if err := l.unmoved(scene(6, 45*time.Minute, phase{0, 0.45}, phase{20 * time.Minute, 0.95}, phase{24 * time.Minute, 0.45}),
		"in a spike of four minutes", hint); err != nil {
		return err
	}
	return l.unmoved(scene(6, 45*time.Minute,
		phase{0, 0.45}, phase{20 * time.Minute, 0.95}, phase{24 * time.Minute, 0.45},
		phase{24*time.Minute + every, 0.95}, phase{28 * time.Minute, 0.45}),
		"in two spikes of four minutes with one reading at 45 % between", hint)
}

// begins is when the load changes in the scenes of sustainedBreach and longCalm.
const begins = 20 * time.Minute

// delayed demands that the first change of a scene is in one direction, and comes after a delay.
func (l *trial) delayed(s simulate.Scene, delay time.Duration, more bool, what string) (time.Duration, error) {
	look := lookSettle("over which time must all readings agree?")
	played, err := play(s, l.subject.Policy, look)
	if err != nil {
		return 0, err
	}
	const late = 90 * time.Second
	direction := "fewer"
	if more {
		direction = "more"
	}
	at, from, to, changed := firstChange(played)
	seen := "no change at all"
	if changed {
		seen = fmt.Sprintf("%d replicas after %s minutes of it", to, clock(at-begins))
		if at < begins {
			seen = fmt.Sprintf("%d replicas before it", to)
		}
	}
	// One reading stands for the time since the reading before.
	if !changed || at < begins+delay-s.Every || at > begins+delay+late || (to > from) != more {
		return 0, &lab.Failure{
			Expected: fmt.Sprintf("%s than %d replicas after %s to %s minutes of %s", direction, from, clock(delay), clock(delay+late), what),
			Seen:     seen, Look: look,
		}
	}
	return at - begins, nil
}

func (l *trial) sustainedBreach(_ context.Context, run *lab.Run) error {
	for _, interval := range []time.Duration{every, every / 2} {
		s := scene(5, 45*time.Minute, phase{0, 0.45}, phase{begins, 0.85})
		s.Every = interval
		after, err := l.delayed(s, outAfter, true, "85 %")
		if err != nil {
			return err
		}
		run.Report("breach until replicas are added", after.Minutes(), "min")
	}
	return nil
}

func (l *trial) longCalm(_ context.Context, run *lab.Run) error {
	for _, interval := range []time.Duration{every, every / 2} {
		s := scene(8, 45*time.Minute, phase{0, 0.50}, phase{begins, 0.15})
		s.Every = interval
		after, err := l.delayed(s, inAfter, false, "15 %")
		if err != nil {
			return err
		}
		run.Report("calm until replicas are removed", after.Minutes(), "min")
	}
	return nil
}

func (l *trial) interruptedCalm(context.Context, *lab.Run) error {
	for _, test := range []struct {
		busy time.Duration
		what string
	}{{time.Minute, "a busy minute"}, {every, "one busy reading"}} {
		if err := l.unmoved(scene(8, 50*time.Minute,
			phase{0, 0.50}, phase{20 * time.Minute, 0.15}, phase{28 * time.Minute, 0.50},
			phase{28*time.Minute + test.busy, 0.15}, phase{36*time.Minute + test.busy, 0.50}),
			"in two calms of eight minutes with "+test.what+" between", "did all readings of the last ten minutes ask for fewer?"); err != nil {
			return err
		}
	}
	return nil
}

// highestOfWindow has a calm in which the first quarter asks for five replicas and the rest for three.
func (l *trial) highestOfWindow(_ context.Context, run *lab.Run) error {
	look := lookSettle("which reading of the window needs most?")
	const running, needed = 10, 5
	q := question{history(five(), 30*time.Minute, func(age time.Duration) []group {
		if age >= inAfter*3/4 {
			return []group{{running, serving, 0.29}} // 10 × 0.29 / 0.60 = 4.8
		}
		return []group{{running, serving, 0.15}} // 2.5
	}), five(), autoscale.State{Running: running}}
	got, err := ask(l.subject.Policy, q, look)
	if err != nil {
		return err
	}
	if got < needed || got >= running {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s replicas, when 10 were at 29 %% for a quarter of the window and then at 15 %%", fromTo(needed, running-1)),
			Seen:     fmt.Sprintf("%d", got), Look: look,
		}
	}
	run.Report("replicas after a calm of 29 % and 15 %", float64(got), "")
	return nil
}

// lowestOfWindow has two breaches. The readings of one ask for six and for eight replicas in turn. The
// other asks for seven until half of the window, and then for ten.
func (l *trial) lowestOfWindow(_ context.Context, run *lab.Run) error {
	look := lookSettle("which reading of the window asked for least?")
	now := five()
	for i, test := range []struct {
		running, needed int
		what            string
		utilisation     func(age time.Duration) float64
	}{
		{5, 6, "5 alternated between 70 % and 95 %", func(age time.Duration) float64 {
			if age%(2*every) == 0 {
				return 0.95 // 5 × 0.95 / 0.60 = 7.9
			}
			return 0.70 // 5.8
		}},
		{6, 7, "6 were at 69 % until half of the window and then at 98 %", func(age time.Duration) float64 {
			if age > outAfter/2 {
				return 0.69 // 6 × 0.69 / 0.60 = 6.9
			}
			return 0.98 // 9.8
		}},
	} {
		readings := history(now, 30*time.Minute, func(age time.Duration) []group {
			return []group{{test.running, serving, test.utilisation(age)}}
		})
		got, err := ask(l.subject.Policy, question{readings, now, autoscale.State{Running: test.running}}, look)
		if err != nil {
			return err
		}
		if got != test.needed {
			return &lab.Failure{Expected: fmt.Sprintf("%d replicas, when %s", test.needed, test.what), Seen: fmt.Sprintf("%d", got), Look: look}
		}
		if i == 0 {
			run.Report("replicas after a breach of 70 % and 95 %", float64(got), "")
		}
	}
	return nil
}

func (l *trial) sawtooth(context.Context, *lab.Run) error {
	var phases []phase
	for from := time.Duration(0); from < time.Hour; from += 8 * time.Minute {
		phases = append(phases, phase{from, 0.20}, phase{from + 4*time.Minute, 0.90})
	}
	return l.unmoved(scene(6, time.Hour, phases...), "in an hour that swings between 20 % and 90 % every four minutes",
		"did readings cover the whole window, and did all of them agree?")
}

func (l *trial) noise(context.Context, *lab.Run) error {
	for seed := range uint64(3) {
		s := scene(6, time.Hour, phase{0, 0.56})
		s.Noise, s.Seed = 0.10, seed
		if err := l.unmoved(s, "in an hour of 56 % with noise", "can one reading decide?"); err != nil {
			return err
		}
	}
	return nil
}

func (l *trial) gaps(context.Context, *lab.Run) error {
	now := five()
	// until returns readings of ten minutes that end at that age.
	until := func(end time.Duration, running int, utilisation float64) []autoscale.Reading {
		return history(now.Add(-end), 10*time.Minute, func(time.Duration) []group { return []group{{running, serving, utilisation}} })
	}
	late := slices.DeleteFunc(until(0, 5, 0.95), func(r autoscale.Reading) bool { return r.At.Equal(now.Add(-2 * time.Minute)) })
	if err := l.between(question{late, now, autoscale.State{Running: 5}}, 6, math.MaxInt, "at 95 % for ten minutes with one reading missing",
		lookSettle("is one late reading a gap?")); err != nil {
		return err
	}
	back := append(history(now.Add(time.Hour), 30*time.Minute, func(time.Duration) []group { return []group{{5, serving, 0.45}} }),
		until(0, 5, 0.95)...)
	if err := l.between(question{back, now, autoscale.State{Running: 5}}, 6, math.MaxInt,
		"at 95 % for ten minutes, after the clock was set back by an hour", lookSettle("does a reading of the future count?")); err != nil {
		return err
	}
	hint := "window.Last reports whether readings cover the window: when do they not?"
	for _, test := range []struct {
		what    string
		running int
		history []autoscale.Reading
	}{
		{"the last reading, at 95 %, is ten minutes old", 5, until(10*time.Minute, 5, 0.95)},
		{"the last reading, at 10 %, is ten minutes old", 8, until(10*time.Minute, 8, 0.10)},
		{"the clock jumped an hour ahead, and one reading at 95 % has come since", 5,
			append(until(time.Hour, 5, 0.95), reading(now, 0, group{5, serving, 0.95}))},
		{"the clock was set back, and all readings are of the future", 5, until(-time.Hour, 5, 0.95)},
		{"the history begins two minutes ago, at 95 %", 5,
			history(now, 2*time.Minute, func(time.Duration) []group { return []group{{5, serving, 0.95}} })},
		{"the history begins two minutes ago, at 10 %", 8,
			history(now, 2*time.Minute, func(time.Duration) []group { return []group{{8, serving, 0.10}} })},
	} {
		look := lookSettle(hint)
		got, err := ask(l.subject.Policy, question{test.history, now, autoscale.State{Running: test.running}}, look)
		if err != nil {
			return err
		}
		if got != test.running {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d replicas as before, when %s", test.running, test.what),
				Seen:     fmt.Sprintf("%d", got), Look: look,
			}
		}
	}
	return nil
}
