// Package wrong has wrong answers to lab 07, and right ones that differ from the solution.
package wrong

import (
	_ "embed"
	"errors"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/measure/usl"
)

const (
	target, degraded = 0.60, 0.85

	most        = 100
	bytesPerMiB = 1 << 20
)

var errTooFew = errors.New("too few")

//go:embed largest.yaml
var largest []byte

// Largest is the starter's plan: the largest of everything.
func Largest() []byte { return largest }

// peak returns the highest rate.
func peak(rates []float64) float64 {
	var highest float64
	for _, rate := range rates {
		highest = max(highest, rate)
	}
	return highest
}

// MeanRate takes the mean rate, in milliseconds, as the starter does.
func MeanRate(rates []float64, mean time.Duration) float64 {
	var sum float64
	for _, rate := range rates {
		sum += rate
	}
	return sum / float64(len(rates)) * float64(mean.Milliseconds())
}

// Milliseconds takes the right rate and the wrong unit.
func Milliseconds(rates []float64, mean time.Duration) float64 {
	return peak(rates) * float64(mean.Milliseconds())
}

// WholeSeconds rounds the time down.
func WholeSeconds(rates []float64, mean time.Duration) float64 {
	return peak(rates) * float64(mean/time.Second)
}

// Sorts finds the highest rate at the end of the sorted rates of its caller.
func Sorts(rates []float64, mean time.Duration) float64 {
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)-1] * mean.Seconds()
}

// BusyHour takes the mean of the three highest rates.
func BusyHour(rates []float64, mean time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(rates))
	if len(sorted) > 3 {
		sorted = sorted[len(sorted)-3:]
	}
	if len(sorted) == 0 {
		return 0
	}
	var sum float64
	for _, rate := range sorted {
		sum += rate
	}
	return sum / float64(len(sorted)) * mean.Seconds()
}

// AllToEach gives the connections of all replicas to each, rounded down, as the starter does.
func AllToEach(rates []float64, held time.Duration, _ int) int {
	return int(peak(rates) * held.Seconds())
}

// SharedByAll allows for the variation of all replicas together, and gives that to each.
func SharedByAll(rates []float64, held time.Duration, _ int) int {
	n := peak(rates) * held.Seconds()
	return max(1, int(math.Ceil(n+3*math.Sqrt(n))))
}

// OnlyTheMean has connections for the mean number.
func OnlyTheMean(rates []float64, held time.Duration, replicas int) int {
	return max(1, int(math.Ceil(peak(rates)*held.Seconds()/float64(replicas))))
}

// NoConnection has none for a database that is hardly used.
func NoConnection(rates []float64, held time.Duration, replicas int) int {
	n := peak(rates) * held.Seconds() / float64(replicas)
	return int(math.Ceil(n + 3*math.Sqrt(n)))
}

// Straight draws a line through the first replica, as the starter does.
func Straight(curve usl.Curve, rate float64) (int, error) {
	return max(1, int(math.Ceil(rate/curve.At(1)))), nil
}

// Amdahl leaves out the cost of agreement.
func Amdahl(curve usl.Curve, rate float64) (int, error) {
	curve.Kappa = 0
	return Smallest(curve, rate)
}

// Smallest asks the curve for each number in turn.
func Smallest(curve usl.Curve, rate float64) (int, error) {
	for n := 1; n <= most; n++ {
		if curve.At(float64(n)) >= rate {
			return n, nil
		}
	}
	return 0, errTooFew
}

// AtThePeak returns the best fleet when no fleet is enough.
func AtThePeak(curve usl.Curve, rate float64) (int, error) {
	if n, err := Smallest(curve, rate); err == nil {
		return n, nil
	}
	return int(min(most, curve.Peak())), nil
}

// StopsBefore stops before the number at the peak.
func StopsBefore(curve usl.Curve, rate float64) (int, error) {
	for n := 1; n < most && float64(n) < curve.Peak()-1; n++ {
		if curve.At(float64(n)) >= rate {
			return n, nil
		}
	}
	return 0, errTooFew
}

// JustEnough is a fleet without headroom, as the starter's is.
func JustEnough(curve usl.Curve, rate float64) (int, error) { return Smallest(curve, rate) }

// OneMore has a spare replica and no target.
func OneMore(curve usl.Curve, rate float64) (int, error) {
	n, err := Smallest(curve, rate)
	return n + 1, err
}

// OnlyTheTarget keeps the target, and forgets that one may die.
func OnlyTheTarget(curve usl.Curve, rate float64) (int, error) { return Smallest(curve, rate/target) }

// TimesTheTarget multiplies where it should divide.
func TimesTheTarget(curve usl.Curve, rate float64) (int, error) {
	all, err := Smallest(curve, rate*target)
	if err != nil {
		return 0, err
	}
	left, err := Smallest(curve, rate*degraded)
	return max(all, left+1), err
}

// BothAndOne adds the spare replica to the fleet at the target.
func BothAndOne(curve usl.Curve, rate float64) (int, error) {
	n, err := Smallest(curve, rate/target)
	return n + 1, err
}

// IgnoresTheError returns a fleet of one for a rate that no fleet carries.
func IgnoresTheError(curve usl.Curve, rate float64) (int, error) {
	all, _ := Smallest(curve, rate/target)
	left, _ := Smallest(curve, rate/degraded)
	return max(all, left+1), nil
}

// NoArrivals forgets the messages of the drain, as the starter does.
func NoArrivals(arrivals, perWorker float64, outage, within time.Duration) int {
	return max(1, int(math.Ceil(arrivals*outage.Seconds()/within.Seconds()/perWorker)))
}

// DrainRoundedDown rounds down.
func DrainRoundedDown(arrivals, perWorker float64, outage, within time.Duration) int {
	return max(1, int(arrivals*(outage+within).Seconds()/within.Seconds()/perWorker))
}

// InWholeSeconds rounds each time down to seconds.
func InWholeSeconds(arrivals, perWorker float64, outage, within time.Duration) int {
	backlog := arrivals * float64(outage/time.Second)
	return max(1, int(math.Ceil((arrivals+backlog/float64(within/time.Second))/perWorker)))
}

// TwoFleets rounds up for the backlog and for the arrivals.
func TwoFleets(arrivals, perWorker float64, outage, within time.Duration) int {
	return max(1, int(math.Ceil(arrivals*outage.Seconds()/within.Seconds()/perWorker))+int(math.Ceil(arrivals/perWorker)))
}

// FirstKind counts one kind of entry without the reserve, as the starter does.
func FirstKind(entries []plan.Entries) int {
	if len(entries) == 0 {
		return 0
	}
	return entries[0].Count * entries[0].Bytes / bytesPerMiB
}

// NoReserve has memory for the entries and for nothing else.
func NoReserve(entries []plan.Entries) int { return int(math.Ceil(bytesOf(entries) / bytesPerMiB)) }

// RoundedDown rounds the memory down.
func RoundedDown(entries []plan.Entries) int { return int(bytesOf(entries) * 1.25 / bytesPerMiB) }

// Megabytes divides by a million, and returns MB in the place of MiB.
func Megabytes(entries []plan.Entries) int { return int(math.Ceil(bytesOf(entries) * 1.25 / 1e6)) }

func bytesOf(entries []plan.Entries) float64 {
	var sum float64
	for _, e := range entries {
		sum += float64(e.Count) * float64(e.Bytes)
	}
	return sum
}

// PricesOfAnHour adds the prices of an hour, as the starter does.
func PricesOfAnHour(items []plan.Item) float64 {
	var sum float64
	for _, item := range items {
		sum += float64(item.Type.PriceMicros) / 1e6
	}
	return sum
}

// WholeHours bills each hour that has begun.
func WholeHours(items []plan.Item) float64 {
	var sum float64
	for _, item := range items {
		sum += math.Ceil(item.Hours) * float64(item.Type.PriceMicros) / 1e6
	}
	return sum
}

// WholeDollars divides whole numbers.
func WholeDollars(items []plan.Item) float64 {
	var sum float64
	for _, item := range items {
		sum += item.Hours * float64(item.Type.PriceMicros/1e6)
	}
	return sum
}

// OfTheEvening returns the price of the evening, as the starter does.
func OfTheEvening(dollars float64, _ int) float64 { return dollars }

// WholeMillions divides by the millions that are complete.
func WholeMillions(dollars float64, requests int) float64 {
	return dollars / float64(requests/1_000_000)
}

// FreeWithoutRequests returns 0 when there are no requests.
func FreeWithoutRequests(dollars float64, requests int) float64 {
	if requests == 0 {
		return 0
	}
	return dollars / float64(requests) * 1e6
}
