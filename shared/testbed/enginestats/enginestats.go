// Package enginestats exports what the Docker engine knows of the containers of one compose project: CPU, memory,
// network and disk. The metrics have the names that cAdvisor gives them, so a query for one works with the other.
package enginestats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/instance"
)

const (
	// scrapeTimeout bounds all requests of one scrape. Prometheus waits for 5 s.
	scrapeTimeout = 4 * time.Second
	// parallelRequests is how many containers are asked about at the same time. Older engines read the
	// numbers of all containers once a second, and let every request wait for that. So this is more
	// than a stack has containers.
	parallelRequests = 32
	// maxAnswer bounds an answer of the engine, in bytes.
	maxAnswer = 8 << 20

	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
)

// Collector asks the engine at each scrape.
type Collector struct {
	client *http.Client
	self   string
}

// New returns a collector that asks the engine at a Unix socket. It exports the containers of the
// compose project to which the container self belongs. self is an id or a name.
func New(socket, self string) *Collector {
	var dialer net.Dialer
	return &Collector{self: self, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: parallelRequests,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// metric is one number of a container.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	// value returns false if the engine does not know the number.
	value func(container) (float64, bool)
}

func counter(name, help string, value func(container) (float64, bool)) metric {
	return metric{describe(name, help), prometheus.CounterValue, value}
}

func gauge(name, help string, value func(container) (float64, bool)) metric {
	return metric{describe(name, help), prometheus.GaugeValue, value}
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"service", "name"}, nil)
}

// quotaPeriod is the period in which a quota holds unless the container has another, in microseconds.
const quotaPeriod = 100_000

const nanosPerSecond = 1e9

var metrics = []metric{
	counter("container_cpu_usage_seconds_total", "CPU time that the container has used, in seconds.",
		func(c container) (float64, bool) { return float64(c.stats.CPU.Usage.Total) / nanosPerSecond, true }),
	counter("container_cpu_cfs_periods_total", "Quota periods in which the container wanted to run.",
		func(c container) (float64, bool) { return float64(c.stats.CPU.Throttling.Periods), true }),
	counter("container_cpu_cfs_throttled_periods_total", "Quota periods in which the container had to wait for the next one.",
		func(c container) (float64, bool) { return float64(c.stats.CPU.Throttling.Throttled), true }),
	gauge("container_spec_cpu_quota", "CPU time that the container may use in a quota period, in microseconds.",
		func(c container) (float64, bool) { return c.spec.quota() }),
	gauge("container_spec_cpu_period", "Length of a quota period, in microseconds.",
		func(c container) (float64, bool) { return c.spec.period() }),
	gauge("container_memory_working_set_bytes", "Memory that the kernel cannot take back without effort: usage without inactive files.",
		func(c container) (float64, bool) { return c.stats.workingSet(), true }),
	gauge("container_spec_memory_limit_bytes", "Memory that the container may use.",
		func(c container) (float64, bool) {
			return float64(c.spec.HostConfig.Memory), c.spec.HostConfig.Memory > 0
		}),
	counter("container_network_receive_bytes_total", "Bytes that the container has received.",
		func(c container) (float64, bool) { received, _ := c.stats.network(); return received, true }),
	counter("container_network_transmit_bytes_total", "Bytes that the container has sent.",
		func(c container) (float64, bool) { _, sent := c.stats.network(); return sent, true }),
	counter("container_fs_reads_bytes_total", "Bytes that the container has read from disk.",
		func(c container) (float64, bool) { return sum(c.stats.Disk.Bytes, "read"), true }),
	counter("container_fs_writes_bytes_total", "Bytes that the container has written to disk.",
		func(c container) (float64, bool) { return sum(c.stats.Disk.Bytes, "write"), true }),
	// With version 2 of control groups the engine does not report operations.
	counter("container_fs_reads_total", "Disk reads of the container.",
		func(c container) (float64, bool) {
			return sum(c.stats.Disk.Operations, "read"), len(c.stats.Disk.Operations) > 0
		}),
	counter("container_fs_writes_total", "Disk writes of the container.",
		func(c container) (float64, bool) {
			return sum(c.stats.Disk.Operations, "write"), len(c.stats.Disk.Operations) > 0
		}),
	gauge("container_start_time_seconds", "When the container was started, in seconds since 1970.",
		func(c container) (float64, bool) {
			return float64(c.spec.State.StartedAt.UnixMilli()) / 1000, !c.spec.State.StartedAt.IsZero()
		}),
}

var priceDesc = prometheus.NewDesc("bytebites_core_price_dollars_per_hour",
	"Invented price of one core for an hour; all instance types of the workshop cost the same per core.", nil, nil)

// corePrice returns the price of a core for an hour, in dollars.
func corePrice() float64 {
	const micros = 1e6
	of := instance.Medium()
	return float64(of.PriceMicros) / micros / of.CPU
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- priceDesc
	for _, m := range metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector. If the engine does not answer, the whole scrape fails.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	ch <- prometheus.MustNewConstMetric(priceDesc, prometheus.GaugeValue, corePrice())
	containers, err := c.containers(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(metrics[0].desc, err)
		return
	}
	for _, found := range containers {
		for _, m := range metrics {
			if value, known := m.value(found); known {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, found.service, found.name)
			}
		}
	}
}

// container is what the engine says of a container.
type container struct {
	service, name string
	spec          spec
	stats         stats
}

// containers asks the engine about the running containers of the project.
func (c *Collector) containers(ctx context.Context) ([]container, error) {
	project, err := c.project(ctx)
	if err != nil {
		return nil, err
	}
	filter, err := json.Marshal(map[string][]string{"label": {projectLabel + "=" + project}})
	if err != nil {
		return nil, err
	}
	var listed []struct {
		ID string `json:"Id"`
	}
	if err := c.get(ctx, "/containers/json?filters="+url.QueryEscape(string(filter)), &listed); err != nil {
		return nil, err
	}
	var (
		slots = make(chan struct{}, parallelRequests)
		group sync.WaitGroup
		mutex sync.Mutex
		all   []container
		errs  []error
	)
	for _, l := range listed {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found, err := c.container(ctx, l.ID)
			mutex.Lock()
			defer mutex.Unlock()
			switch {
			case errors.Is(err, errGone): // it has ended since it was listed
			case err != nil:
				errs = append(errs, err)
			default:
				all = append(all, found)
			}
		})
	}
	group.Wait()
	return all, errors.Join(errs...)
}

// project returns the compose project of the collector's own container.
func (c *Collector) project(ctx context.Context) (string, error) {
	var own spec
	if err := c.get(ctx, "/containers/"+url.PathEscape(c.self)+"/json", &own); err != nil {
		return "", fmt.Errorf("find the own compose project: %w", err)
	}
	project := own.Config.Labels[projectLabel]
	if project == "" {
		return "", fmt.Errorf("find the own compose project: container %s has no label %s", c.self, projectLabel)
	}
	return project, nil
}

func (c *Collector) container(ctx context.Context, id string) (found container, err error) {
	if err := c.get(ctx, "/containers/"+id+"/json", &found.spec); err != nil {
		return found, err
	}
	// Without one-shot the engine waits for a second reading, a second later.
	if err := c.get(ctx, "/containers/"+id+"/stats?stream=false&one-shot=true", &found.stats); err != nil {
		return found, err
	}
	found.service, found.name = found.spec.Config.Labels[serviceLabel], strings.TrimPrefix(found.spec.Name, "/")
	return found, nil
}

// errGone is a container that the engine no longer has.
var errGone = errors.New("no such container")

// get reads an answer of the engine. The path has no version, so the engine uses its own.
func (c *Collector) get(ctx context.Context, path string, into any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the engine: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the engine for %s: %w", path, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusConflict:
		return fmt.Errorf("ask the engine for %s: %w", path, errGone)
	default:
		return fmt.Errorf("ask the engine for %s: %s: %s", path, response.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return nil
}
