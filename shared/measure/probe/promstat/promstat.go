// Package promstat reads a service's Prometheus metrics, so that checks and reports can
// count what the service says of itself.
package promstat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// timeout bounds one scrape.
const timeout = 10 * time.Second

// Metrics is what a service said of itself at one moment.
type Metrics map[string]*dto.MetricFamily

// Read scrapes the metrics at a URL.
func Read(ctx context.Context, url string) (metrics Metrics, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: status %d", url, response.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", url, err)
	}
	return families, nil
}

// Sum is what a histogram adds up to.
type Sum struct {
	Count uint64
	Total float64 // of the observed values, in the metric's unit
}

// Mean returns the mean of the observed values; 0 when there are none.
func (s Sum) Mean() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Total / float64(s.Count)
}

// Less returns what was observed since an earlier Sum of the same histogram.
func (s Sum) Less(earlier Sum) Sum {
	return Sum{Count: s.Count - earlier.Count, Total: s.Total - earlier.Total}
}

// Histogram returns the sums of a histogram by the value of one of its labels. Of a
// metric that is not there it returns nothing.
func (m Metrics) Histogram(name, label string) map[string]Sum {
	sums := make(map[string]Sum)
	for _, metric := range m[name].GetMetric() {
		for _, pair := range metric.GetLabel() {
			if pair.GetName() == label {
				sum := sums[pair.GetValue()]
				sum.Count += metric.GetHistogram().GetSampleCount()
				sum.Total += metric.GetHistogram().GetSampleSum()
				sums[pair.GetValue()] = sum
			}
		}
	}
	return sums
}

// Counter returns the sum of a counter over all its labels. Of a metric that is not there
// it returns 0.
func (m Metrics) Counter(name string) float64 {
	sum := 0.0
	for _, metric := range m[name].GetMetric() {
		sum += metric.GetCounter().GetValue()
	}
	return sum
}
