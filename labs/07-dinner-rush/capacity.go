package rush

import (
	"errors"
	"math"
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
	// TODO(lab 07), step 1: it takes the mean rate of the evening and milliseconds. Take the highest
	// rate and seconds.
	var sum float64
	for _, rate := range rates {
		sum += rate
	}
	return sum / float64(len(rates)) * float64(mean.Milliseconds())
}

// Connections returns the size of the pool that each of the replicas needs for a database. A request
// holds a connection for a time that is held on average.
func Connections(rates []float64, held time.Duration, replicas int) int {
	// TODO(lab 07), step 1: it gives the connections of all replicas to each, and rounds down. The
	// number in use varies like a Poisson variable: with a mean of n for one replica, allow n + 3√n. Round up.
	return int(InFlight(rates, held))
}

// Replicas returns the smallest number of replicas, at least 1, whose throughput reaches the rate,
// in requests a second. It returns errTooFew when no number up to mostReplicas does.
func Replicas(curve usl.Curve, rate float64) (int, error) {
	// TODO(lab 07), step 2: it draws a straight line through the first replica. Ask curve.At, and
	// return errTooFew when the curve stays below the rate.
	return max(1, int(math.Ceil(rate/curve.At(1)))), nil
}

// Fleet returns the smallest number of replicas for a rate at the peak. All of them have at most
// targetUtilisation. When one dies, the others have at most degradedUtilisation. It returns the error
// of Replicas when there is no such number.
func Fleet(curve usl.Curve, rate float64) (int, error) {
	// TODO(lab 07), step 3: the fleet is just large enough. At 100 % a queue grows without end, and
	// nothing is left when one replica dies.
	return Replicas(curve, rate)
}

// Workers returns the number of workers, at least 1, that handle the backlog of a broker outage
// within the time that follows it. Arrivals and perWorker are in messages a second. Messages arrive
// during the outage and after it: the outbox keeps them.
func Workers(arrivals, perWorker float64, outage, within time.Duration) int {
	// TODO(lab 07), step 4: it forgets that messages arrive while the workers drain the backlog.
	backlog := arrivals * outage.Seconds()
	return max(1, int(math.Ceil(backlog/within.Seconds()/perWorker)))
}

// Memory returns the memory that Redis needs for a working set, in MiB, rounded up: the bytes of all
// entries, and memoryReserve of them more.
func Memory(entries []plan.Entries) int {
	// TODO(lab 07), step 4: it counts the first kind of entry alone, without the reserve.
	if len(entries) == 0 {
		return 0
	}
	return entries[0].Count * entries[0].Bytes / bytesPerMiB
}

// Bill returns the price of all items of an evening, in dollars.
func Bill(items []plan.Item) float64 {
	// TODO(lab 07), step 5: it adds the prices of an hour, and forgets how long each server ran.
	const micros = 1e6 // an instance type has its price in millionths of a dollar
	var sum float64
	for _, item := range items {
		sum += float64(item.Type.PriceMicros) / micros
	}
	return sum
}

// PerMillion returns the price of a million requests when so many requests cost so many dollars,
// which are more than 0. It is infinite when there are no requests.
func PerMillion(dollars float64, requests int) float64 {
	// TODO(lab 07), step 5: it returns the price of the evening. Divide, and multiply by a million.
	return dollars
}
