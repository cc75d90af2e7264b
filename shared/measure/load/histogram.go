package load

import (
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxTrackable is the longest duration that a histogram distinguishes; a longer one counts as
// this. With a timeout of seconds no latency is longer.
const maxTrackable = 2 * time.Minute

// Histogram is a distribution of durations, in microseconds with three significant
// digits (HDR); its mean is exact. The zero value is not usable.
type Histogram struct {
	h   *hdrhistogram.Histogram
	sum time.Duration
	max time.Duration
}

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram {
	return &Histogram{h: hdrhistogram.New(1, maxTrackable.Microseconds(), 3)}
}

// Record adds a duration. A negative duration counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.sum += d
	h.max = max(h.max, d)
	// The only error is a value out of range, and min keeps the value in range.
	_ = h.h.RecordValue(min(d, maxTrackable).Microseconds())
}

// Count returns the number of recorded durations.
func (h *Histogram) Count() int { return int(h.h.TotalCount()) }

// Mean returns the exact mean, or 0 for an empty histogram.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return h.sum / time.Duration(h.Count())
}

// Quantile returns the duration that a share q of all durations, in [0, 1], does not exceed.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return min(time.Duration(h.h.ValueAtQuantile(q*100))*time.Microsecond, h.max)
}

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return h.max }

// Merge adds all durations of another histogram.
func (h *Histogram) Merge(other *Histogram) {
	h.h.Merge(other.h)
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// CurvePoint is a point of a percentile curve: a share of all durations does not exceed Value.
type CurvePoint struct {
	Percentile float64 // of all durations, in [0, 100]
	Value      time.Duration
}

// curveTicks is how many points a percentile curve has for each halving of the share that is left:
// from 0 to 50, from 50 to 75, and so on.
const curveTicks = 5

// Curve returns the percentile curve, as HDR plots show it, in ascending order. It is empty for an
// empty histogram. It has no point between the last percentile that the count tells apart and 100,
// because all of these are the maximum.
func (h *Histogram) Curve() (points []CurvePoint) {
	for _, b := range h.h.CumulativeDistributionWithTicks(curveTicks) {
		if b.Count < h.h.TotalCount() {
			points = append(points, CurvePoint{b.Quantile, min(time.Duration(b.ValueAt)*time.Microsecond, h.max)})
		}
	}
	if h.Count() > 0 {
		points = append(points, CurvePoint{100, h.max})
	}
	return points
}

// Quantiles is the summary of a distribution in a report, in seconds.
type Quantiles struct {
	Count       int     `json:"count"`
	MeanSeconds float64 `json:"mean_seconds"`
	P50Seconds  float64 `json:"p50_seconds"`
	P95Seconds  float64 `json:"p95_seconds"`
	P99Seconds  float64 `json:"p99_seconds"`
	MaxSeconds  float64 `json:"max_seconds"`
}

// Quantiles returns the summary of the distribution.
func (h *Histogram) Quantiles() Quantiles {
	return Quantiles{
		Count:       h.Count(),
		MeanSeconds: h.Mean().Seconds(),
		P50Seconds:  h.Quantile(0.50).Seconds(),
		P95Seconds:  h.Quantile(0.95).Seconds(),
		P99Seconds:  h.Quantile(0.99).Seconds(),
		MaxSeconds:  h.Max().Seconds(),
	}
}

// MarshalJSON writes the histogram's quantiles.
func (h *Histogram) MarshalJSON() ([]byte, error) { return json.Marshal(h.Quantiles()) }
