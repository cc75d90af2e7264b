// Package promstat reads a service's Prometheus metrics for checks and reports.
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

// Metrics are a service's metrics at one moment.
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

// Sum is the count and the total of a histogram.
type Sum struct {
	Count uint64
	Total float64 // of the observed values, in the metric's unit
}

// Mean returns the mean of the observed values, or 0 without values.
func (s Sum) Mean() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Total / float64(s.Count)
}

// Less returns the sum of the values after an earlier Sum of the same histogram.
func (s Sum) Less(earlier Sum) Sum {
	return Sum{Count: s.Count - earlier.Count, Total: s.Total - earlier.Total}
}

// Histogram returns the sums of a histogram by the value of one of its labels. The map is
// empty when there is no such metric.
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

// Counter returns the sum of a counter over all its labels. It is 0 when there is no such
// metric.
func (m Metrics) Counter(name string) float64 {
	sum := 0.0
	for _, metric := range m[name].GetMetric() {
		sum += metric.GetCounter().GetValue()
	}
	return sum
}
