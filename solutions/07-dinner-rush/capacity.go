package rush

import (
	"errors"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/measure/usl"
)

// ByteBites' limits.
const (
	targetUtilisation   = 0.60 // of the replicas at the peak, while all live
	degradedUtilisation = 0.85 // of those that are left when one has died

	mostReplicas = 100 // a fleet of more than that is a mistake

	memoryReserve = 0.25 // of the working set, for fragmentation and connections
	bytesPerMiB   = 1 << 20
)

// errTooFew says that no fleet carries the rate.
var errTooFew = errors.New("replicas: no number of them carries the rate")

// InFlight returns the mean number of requests that are in the system at the busiest time of the
// evening. The rates are in requests a second, one for each slice of the evening. A request takes the
// mean time. Little's law (J. D. C. Little, 1961): L = λW.
func InFlight(rates []float64, mean time.Duration) float64 {
	if len(rates) == 0 {
		return 0
	}
	return slices.Max(rates) * mean.Seconds()
}

// Connections returns the size of the pool that each of the replicas needs for a database. A request
// holds a connection for a time that is held on average.
//
// With Poisson arrivals the number in use is a Poisson variable (M/G/∞). It is above n + 3√n in
// about one of a thousand moments.
func Connections(rates []float64, held time.Duration, replicas int) int {
	n := InFlight(rates, held) / float64(replicas)
	return max(1, int(math.Ceil(n+3*math.Sqrt(n))))
}

// Replicas returns the smallest number of replicas, at least 1, whose throughput reaches the rate,
// in requests a second. It returns errTooFew when no number up to mostReplicas does.
func Replicas(curve usl.Curve, rate float64) (int, error) {
	for n := 1; n <= mostReplicas; n++ {
		if curve.At(float64(n)) >= rate {
			return n, nil
		}
	}
	return 0, errTooFew
}

// Fleet returns the smallest number of replicas for a rate at the peak. All of them have at most
// targetUtilisation. When one dies, the others have at most degradedUtilisation. It returns the error
// of Replicas when there is no such number.
func Fleet(curve usl.Curve, rate float64) (int, error) {
	all, err := Replicas(curve, rate/targetUtilisation)
	if err != nil {
		return 0, err
	}
	left, err := Replicas(curve, rate/degradedUtilisation) // a lower rate
	return max(all, left+1), err
}

// Workers returns the number of workers, at least 1, that handle the backlog of a broker outage
// within the time that follows it. Arrivals and perWorker are in messages a second. Messages arrive
// during the outage and after it: the outbox keeps them.
func Workers(arrivals, perWorker float64, outage, within time.Duration) int {
	backlog := arrivals * outage.Seconds()
	return max(1, int(math.Ceil((arrivals+backlog/within.Seconds())/perWorker)))
}

// Memory returns the memory that Redis needs for a working set, in MiB, rounded up: the bytes of all
// entries, and memoryReserve of them more.
func Memory(entries []plan.Entries) int {
	var bytes float64
	for _, e := range entries {
		bytes += float64(e.Count) * float64(e.Bytes)
	}
	return int(math.Ceil(bytes * (1 + memoryReserve) / bytesPerMiB))
}

// Bill returns the price of all items of an evening, in dollars.
func Bill(items []plan.Item) float64 {
	const micros = 1e6 // an instance type has its price in millionths of a dollar
	var sum float64
	for _, item := range items {
		sum += item.Hours * float64(item.Type.PriceMicros) / micros
	}
	return sum
}

// PerMillion returns the price of a million requests when so many requests cost so many dollars,
// which are more than 0. It is infinite when there are no requests.
func PerMillion(dollars float64, requests int) float64 {
	return dollars / float64(requests) * 1e6 // a float divided by 0 is infinite
}
