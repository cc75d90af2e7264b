package spec

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/usl"
	"bytebites.example/workshop/shared/workshop/lab"
)

// rounds is the number of random questions of a check. The seed is fixed, so each run asks the same.
const rounds = 2000

func questions() *rand.Rand { return rand.New(rand.NewPCG(7, 17)) }

// rescue turns a panic of the learner's code into a failure.
func rescue(err *error, look lab.Look) {
	if said := recover(); said != nil {
		*err = &lab.Failure{Expected: "an answer", Seen: fmt.Sprintf("a panic: %v", said), Look: look}
	}
}

// same reports whether two numbers are equal, apart from the rounding of floats.
func same(a, b float64) bool {
	if math.IsInf(a, 0) || math.IsInf(b, 0) {
		return a == b
	}
	return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}

// dinnerRates returns the rates of the story of the half hours from 4 to 7 PM, in requests a second.
func dinnerRates() []float64 { return []float64{6, 16.5, 37.5, 48, 37.5, 16.5} }

// eveningRates returns the rates of n slices of an evening that is busiest in one of them.
func eveningRates(random *rand.Rand, n int) []float64 {
	rates := make([]float64, n)
	for i := range rates {
		rates[i] = 5 + 20*random.Float64()
	}
	if n > 0 {
		rates[random.IntN(n)] *= 2 + random.Float64()
	}
	return rates
}

// peak returns the highest rate, or 0.
func peak(rates []float64) float64 {
	var highest float64
	for _, rate := range rates {
		highest = max(highest, rate)
	}
	return highest
}

func (l *trial) inFlight(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "InFlight", Hint: "which rate is the one of the peak, and in which unit is the time?"}
	defer rescue(&err, look)
	ask := func(rates []float64, mean time.Duration) error {
		want, kept := peak(rates)*mean.Seconds(), slices.Clone(rates)
		got := l.subject.Capacity.InFlight(rates, mean)
		if !same(got, want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%.4g requests in flight with rates of %s and %v each", want, someRates(rates), mean),
				Seen:     fmt.Sprintf("%.4g", got), Look: look,
			}
		}
		if !slices.Equal(rates, kept) {
			return &lab.Failure{
				Expected: "rates that are the same after the call", Seen: "rates in another order or with other values",
				Look: lab.Look{File: "capacity.go", Func: "InFlight", Hint: "slices.Max changes nothing; sort only a copy"},
			}
		}
		return nil
	}
	for _, test := range []struct {
		rates []float64
		mean  time.Duration
	}{
		{dinnerRates(), 150 * time.Millisecond},
		{[]float64{40}, time.Second},
		{[]float64{50, 30, 10}, 2 * time.Second},
		{[]float64{0, 0}, time.Second},
		{nil, time.Second},
	} {
		if err := ask(test.rates, test.mean); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		mean := time.Duration(1 + random.IntN(3_000_000_000))
		if err := ask(eveningRates(random, 1+random.IntN(40)), mean); err != nil {
			return err
		}
	}
	run.Report("in flight at 150 ms", l.subject.Capacity.InFlight(dinnerRates(), 150*time.Millisecond), "requests")
	return nil
}

// someRates shows the rates of an evening in a few words.
func someRates(rates []float64) string {
	const most = 6
	if len(rates) > most {
		return fmt.Sprintf("up to %.3g/s in %d slices", peak(rates), len(rates))
	}
	return fmt.Sprintf("%.3g a second", rates)
}

// busyShare is the largest share of moments in which a pool may be too small. With n + 3√n connections it is
// less than that for every n, so an answer by the Poisson distribution itself is right too.
const busyShare = 0.005

func (l *trial) connections(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Connections", Hint: "how many are in use in one replica, and how much does that number vary?"}
	defer rescue(&err, look)
	ask := func(rates []float64, held time.Duration, replicas int) error {
		n := peak(rates) * held.Seconds() / float64(replicas)
		most := max(1, math.Ceil(n+3*math.Sqrt(n)))
		got := l.subject.Capacity.Connections(rates, held, replicas)
		where := fmt.Sprintf("with up to %.3g requests/s that hold one for %v, and %d replicas", peak(rates), held, replicas)
		switch {
		case float64(got) > most:
			return &lab.Failure{Expected: fmt.Sprintf("at most %.0f connections %s", most, where), Seen: fmt.Sprint(got), Look: look}
		case got < 1, n > 0 && distuv.Poisson{Lambda: n}.Survival(float64(got)) > busyShare:
			return &lab.Failure{
				Expected: fmt.Sprintf("%.0f connections %s", most, where),
				Seen:     fmt.Sprint(got), Look: look,
			}
		}
		return nil
	}
	rates := dinnerRates()
	for _, test := range []struct {
		rates    []float64
		held     time.Duration
		replicas int
	}{
		{rates, 60 * time.Millisecond, 3},
		{rates, 20 * time.Millisecond, 5},
		{rates, time.Millisecond, 10},
		{[]float64{400, 100}, 250 * time.Millisecond, 1},
		{[]float64{0}, time.Second, 3},
	} {
		if err := ask(test.rates, test.held, test.replicas); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		held := time.Duration(1+random.IntN(500)) * time.Millisecond
		if err := ask(eveningRates(random, 1+random.IntN(40)), held, 1+random.IntN(10)); err != nil {
			return err
		}
	}
	run.Report("connections of each of 3 replicas", float64(l.subject.Capacity.Connections(rates, 60*time.Millisecond, 3)), "")
	return nil
}

// smallest returns the smallest number of replicas that carries the rate, or 0.
func smallest(curve usl.Curve, rate float64) int {
	for n := 1; n <= mostReplicas; n++ {
		if curve.At(float64(n)) >= rate {
			return n
		}
	}
	return 0
}

// curves returns a curve of a service: straight, with contention, or with a peak at 5 to 60 replicas.
func curves(random *rand.Rand) usl.Curve {
	c := usl.Curve{Lambda: 5 + 95*random.Float64()}
	kind := random.IntN(4)
	if kind > 0 {
		c.Sigma = 0.2 * random.Float64()
	}
	if kind > 1 {
		most := 5 + 55*random.Float64()
		c.Kappa = (1 - c.Sigma) / (most * most)
	}
	return c
}

// highest returns the highest throughput of a fleet.
func highest(curve usl.Curve) float64 {
	var most float64
	for n := 1; n <= mostReplicas; n++ {
		most = max(most, curve.At(float64(n)))
	}
	return most
}

func curveWords(c usl.Curve, rate float64) string {
	return fmt.Sprintf("for %.4g requests/s on a curve with λ %.4g, σ %.4g and κ %.4g", rate, c.Lambda, c.Sigma, c.Kappa)
}

// question is a rate that a fleet of a service must carry.
type question struct {
	curve usl.Curve
	rate  float64
}

// askAll asks the given questions, and random ones that a fleet can carry.
func askAll(ask func(usl.Curve, float64) error, given []question) error {
	for _, q := range given {
		if err := ask(q.curve, q.rate); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		curve := curves(random)
		if err := ask(curve, random.Float64()*highest(curve)); err != nil {
			return err
		}
	}
	return nil
}

func (l *trial) replicas(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Replicas", Hint: "what do n replicas carry together, as curve.At(n) says?"}
	defer rescue(&err, look)
	ask := func(curve usl.Curve, rate float64) error {
		want := smallest(curve, rate)
		got, err := l.subject.Capacity.Replicas(curve, rate)
		expected := fmt.Sprintf("%d replicas %s", want, curveWords(curve, rate))
		if err != nil {
			return &lab.Failure{Expected: expected, Seen: "the error " + err.Error(), Look: look}
		}
		if got != want {
			return &lab.Failure{Expected: expected, Seen: fmt.Sprint(got), Look: look}
		}
		return nil
	}
	measured := usl.Curve{Lambda: 20, Sigma: 0.04, Kappa: 0.001}
	err = askAll(ask, []question{
		{measured, 150},
		{usl.Curve{Lambda: 20}, 60}, // 60 is exactly three
		{usl.Curve{Lambda: 20, Sigma: 0.05}, 200},
		{usl.Curve{Lambda: 20}, 1},
		{usl.Curve{Lambda: 20}, 0},
		{usl.Curve{Lambda: 10, Sigma: 0.01, Kappa: 0.01}, highest(usl.Curve{Lambda: 10, Sigma: 0.01, Kappa: 0.01})}, // all that it can carry
	})
	if err != nil {
		return err
	}
	got, _ := l.subject.Capacity.Replicas(measured, 150) // asked above
	run.Report("replicas for 150 requests/s", float64(got), "")
	return nil
}

func (l *trial) noFleet(context.Context, *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Replicas", Hint: "what is the highest throughput of the curve?"}
	defer rescue(&err, look)
	ask := func(curve usl.Curve, rate float64) error {
		if got, err := l.subject.Capacity.Replicas(curve, rate); err == nil {
			return &lab.Failure{
				Expected: fmt.Sprintf("an error %s: the most that %d replicas or fewer carry is %.4g", curveWords(curve, rate), mostReplicas, highest(curve)),
				Seen:     fmt.Sprintf("%d replicas", got), Look: look,
			}
		}
		return nil
	}
	for _, test := range []struct {
		curve usl.Curve
		rate  float64
	}{
		{usl.Curve{Lambda: 20, Sigma: 0.04, Kappa: 0.001}, 250},
		{usl.Curve{Lambda: 20, Sigma: 0.1}, 200}, // never reached: λ/σ
		{usl.Curve{Lambda: 20}, 2001},            // 101 replicas
		{usl.Curve{Lambda: 20, Sigma: 1}, 21},
	} {
		if err := ask(test.curve, test.rate); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		curve := curves(random)
		if err := ask(curve, highest(curve)*(1.001+random.Float64())); err != nil {
			return err
		}
	}
	return nil
}

// spare builds its expectation on the subject's own Replicas, so that it judges step 3 alone.
func (l *trial) spare(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Fleet", Hint: "how many are needed at 60 %, and how many must be left at 85 %?"}
	defer rescue(&err, look)
	ask := func(curve usl.Curve, rate float64) error {
		all, errAll := l.subject.Capacity.Replicas(curve, rate/targetUtilisation)
		left, errLeft := l.subject.Capacity.Replicas(curve, rate/degradedUtilisation)
		got, err := l.subject.Capacity.Fleet(curve, rate)
		if errAll != nil || errLeft != nil {
			if err == nil {
				return &lab.Failure{Expected: "the error of Replicas " + curveWords(curve, rate/targetUtilisation), Seen: fmt.Sprintf("%d replicas", got), Look: look}
			}
			return nil
		}
		want := max(all, left+1)
		if curve.At(float64(want)) < curve.At(float64(want-1)) {
			return nil // behind the peak one more carries less: an answer and an error are both right
		}
		expected := fmt.Sprintf("%d replicas %s: %d by your Replicas at %.0f %%, and one more than %d at %.0f %%",
			want, curveWords(curve, rate), all, 100*targetUtilisation, left, 100*degradedUtilisation)
		if err != nil {
			return &lab.Failure{Expected: expected, Seen: "the error " + err.Error(), Look: look}
		}
		if got != want {
			return &lab.Failure{Expected: expected, Seen: fmt.Sprint(got), Look: look}
		}
		return nil
	}
	err = askAll(ask, []question{
		{usl.Curve{Lambda: 18}, 48}, // 5 at 60 %; 4 at 85 %, and 1
		{usl.Curve{Lambda: 20}, 10}, // 1 at 60 %; 1 at 85 %, and 1
		{usl.Curve{Lambda: 20}, 20},
		{usl.Curve{Lambda: 20}, 600},
	})
	if err != nil {
		return err
	}
	got, _ := l.subject.Capacity.Fleet(usl.Curve{Lambda: 18}, 48) // asked above
	run.Report("replicas for 48 requests/s, one may die", float64(got), "")
	return nil
}

func (l *trial) drain(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Workers", Hint: "how many messages come from the start of the outage to the end of the drain? Round up once, at the end"}
	defer rescue(&err, look)
	ask := func(arrivals, perWorker float64, outage, within time.Duration) error {
		// All that arrives in both times is handled in the second one.
		load := arrivals * (outage + within).Seconds() / (perWorker * within.Seconds())
		want := max(1, int(math.Ceil(load-1e-9)))
		got := l.subject.Capacity.Workers(arrivals, perWorker, outage, within)
		if got == want {
			return nil
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%d workers of %.3g messages/s for %.3g messages/s, after an outage of %v, within %v", want, perWorker, arrivals, outage, within),
			Seen:     fmt.Sprint(got), Look: look,
		}
	}
	const second = time.Second
	for _, test := range []struct {
		arrivals, perWorker float64
		outage, within      time.Duration
	}{
		{8, 2, 30 * second, 60 * second}, // 720 messages in 60 s
		{8, 8, 0, 60 * second},
		{5, 2, 60 * second, 30 * second},
		{0, 2, 60 * second, 60 * second},
		{0.5, 20, 10 * second, 60 * second},
		{10, 5, 1500 * time.Millisecond, 2500 * time.Millisecond}, // 40 messages in 2.5 s
	} {
		if err := ask(test.arrivals, test.perWorker, test.outage, test.within); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		outage, within := time.Duration(random.IntN(300_000))*time.Millisecond, time.Duration(1+random.IntN(300_000))*time.Millisecond
		if err := ask(30*random.Float64(), 1+9*random.Float64(), outage, within); err != nil {
			return err
		}
	}
	run.Report("workers after an outage of 30 s", float64(l.subject.Capacity.Workers(8, 2, 30*second, 60*second)), "")
	return nil
}

// neededMiB returns the memory for entries with the reserve, in MiB.
func neededMiB(entries []plan.Entries) float64 {
	var bytes float64
	for _, e := range entries {
		bytes += float64(e.Count) * float64(e.Bytes)
	}
	return bytes * (1 + memoryReserve) / bytesPerMiB
}

func (l *trial) memory(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Memory", Hint: "how many bytes are all kinds together, and a quarter more?"}
	defer rescue(&err, look)
	ask := func(entries []plan.Entries) error {
		need := neededMiB(entries)
		// A sum that is rounded up for each kind, before the reserve, is right too. A share of the memory
		// would be too much slack: megabytes in the place of MiB are only 5 % more.
		most := math.Ceil(need + (1+memoryReserve)*float64(len(entries)))
		got := float64(l.subject.Capacity.Memory(entries))
		if got >= need-1e-6 && got <= most {
			return nil
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%.0f MiB for %s", math.Ceil(need), entriesWords(entries)),
			Seen:     fmt.Sprintf("%.0f", got), Look: look,
		}
	}
	for _, entries := range [][]plan.Entries{
		workingSet(),
		{{Name: "sessions", Count: 1 << 20, Bytes: 400}},
		{{Name: "one", Count: 1, Bytes: 1}},
		nil,
	} {
		if err := ask(entries); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		entries := make([]plan.Entries, 1+random.IntN(4))
		for i := range entries {
			entries[i] = plan.Entries{Name: fmt.Sprintf("kind %d", i+1), Count: random.IntN(300_000), Bytes: 1 + random.IntN(5000)}
		}
		if err := ask(entries); err != nil {
			return err
		}
	}
	run.Report("memory for the working set", float64(l.subject.Capacity.Memory(workingSet())), "MiB")
	return nil
}

func entriesWords(entries []plan.Entries) string {
	words := ""
	for i, e := range entries {
		if i > 0 {
			words += ", "
		}
		words += fmt.Sprintf("%d %s of %d bytes", e.Count, e.Name, e.Bytes)
	}
	if words == "" {
		return "no entries"
	}
	return words
}

// dollars returns the price of items.
func dollars(items []plan.Item) float64 {
	var sum float64
	for _, item := range items {
		sum += item.Hours * float64(item.Type.PriceMicros) / 1e6
	}
	return sum
}

func (l *trial) bill(_ context.Context, run *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "Bill", Hint: "what does an item cost that ran for so many instance-hours?"}
	defer rescue(&err, look)
	ask := func(items []plan.Item) error {
		want, got := dollars(items), l.subject.Capacity.Bill(items)
		if same(got, want) {
			return nil
		}
		return &lab.Failure{Expected: fmt.Sprintf("%.4f dollars for %s", want, itemsWords(items)), Seen: fmt.Sprintf("%.4f", got), Look: look}
	}
	tests := [][]plan.Item{
		{{Part: "replicas", Type: instance.Nano(), Hours: 15.5}, {Part: "broker", Type: instance.Small(), Hours: 3}},
		{{Part: "cache", Type: instance.Micro(), Hours: 0.25}},
		nil,
	}
	random := questions()
	types := instance.Types()
	for range rounds {
		items := make([]plan.Item, random.IntN(9))
		for i := range items {
			items[i] = plan.Item{Part: fmt.Sprintf("part %d", i+1), Type: types[random.IntN(len(types))], Hours: 30 * random.Float64()}
		}
		tests = append(tests, items)
	}
	for _, items := range tests {
		if err := ask(items); err != nil {
			return err
		}
	}
	run.Report("bill of the first example", l.subject.Capacity.Bill(tests[0]), "dollars")
	return nil
}

func itemsWords(items []plan.Item) string {
	switch len(items) {
	case 0:
		return "no items"
	case 1:
		return fmt.Sprintf("%.2f hours of a %s", items[0].Hours, items[0].Type.Name)
	case 2:
		return itemsWords(items[:1]) + " and " + itemsWords(items[1:])
	}
	return fmt.Sprintf("%d items", len(items))
}

func (l *trial) perMillion(context.Context, *lab.Run) (err error) {
	look := lab.Look{File: "capacity.go", Func: "PerMillion", Hint: "a million times the price of one request; without requests it is math.Inf(1)"}
	defer rescue(&err, look)
	ask := func(dollars float64, requests int) error {
		want, got := dollars/float64(requests)*1e6, l.subject.Capacity.PerMillion(dollars, requests)
		if same(got, want) {
			return nil
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%.4g dollars per million, when %d requests cost %.4g", want, requests, dollars),
			Seen:     fmt.Sprintf("%.4g", got), Look: look,
		}
	}
	for _, test := range []struct {
		dollars  float64
		requests int
	}{{0.5, 300_000}, {0.5, 1_000_000}, {2, 3_000_000}, {0.5, 1}, {0.5, 0}} {
		if err := ask(test.dollars, test.requests); err != nil {
			return err
		}
	}
	random := questions()
	for range rounds {
		if err := ask(0.01+random.Float64(), 1+random.IntN(5_000_000)); err != nil {
			return err
		}
	}
	return nil
}
