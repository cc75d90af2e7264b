package enginestats_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/enginestats"
)

// The answers of an engine: the exporter itself, and a PostgreSQL in each version of control groups.
const (
	self = `{"Name": "/bytebites_engine-stats_1", "Config": {"Labels": {"com.docker.compose.project": "bytebites", "com.docker.compose.service": "engine-stats"}},
		"State": {"StartedAt": "2026-01-02T03:04:05.5Z"}, "HostConfig": {"NanoCpus": 0, "Memory": 0}}`
	idle  = `{"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {"usage": 100, "stats": {"inactive_file": 200}}, "blkio_stats": {"io_service_bytes_recursive": null}}`
	first = `{"Name": "/bytebites_postgres_1", "Config": {"Labels": {"com.docker.compose.project": "bytebites", "com.docker.compose.service": "postgres"}},
		"State": {"StartedAt": "2026-01-02T03:04:05Z"}, "HostConfig": {"NanoCpus": 250000000, "Memory": 1000}}`
	version1 = `{"cpu_stats": {"cpu_usage": {"total_usage": 2500000000}, "throttling_data": {"periods": 40, "throttled_periods": 30}},
		"memory_stats": {"usage": 900, "stats": {"inactive_file": 1, "total_inactive_file": 300}},
		"networks": {"eth0": {"rx_bytes": 10, "tx_bytes": 20}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
		"blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 4096}, {"op": "Write", "value": 8192}, {"op": "Total", "value": 12288}, {"op": "Read", "value": 4}],
			"io_serviced_recursive": [{"op": "Read", "value": 2}, {"op": "Write", "value": 1}]}}`
	second = `{"Name": "/bytebites_shard-1_1", "Config": {"Labels": {"com.docker.compose.project": "bytebites", "com.docker.compose.service": "shard-1"}},
		"State": {"StartedAt": "2026-01-02T03:04:05Z"}, "HostConfig": {"CpuQuota": 5000, "CpuPeriod": 10000, "Memory": 1000}}`
	version2 = `{"cpu_stats": {"cpu_usage": {"total_usage": 1000000000}}, "memory_stats": {"usage": 900, "stats": {"inactive_file": 400}},
		"blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 1}, {"op": "write", "value": 2}], "io_serviced_recursive": null}}`
)

// engineWith serves answers by path at a socket until the test ends.
func engineWith(t *testing.T, answers map[string]string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // the path of a socket has a limit of about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "engine.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("request %s %s; want only GET", r.Method, r.URL)
		}
		if strings.HasSuffix(r.URL.Path, "/stats") && r.URL.RawQuery != "stream=false&one-shot=true" {
			t.Errorf("query %s of the stats: the engine would wait for a second", r.URL.RawQuery)
		}
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.URL.Path == "/containers/json" && r.URL.Query().Get("filters") != `{"label":["com.docker.compose.project=bytebites"]}` {
			t.Errorf("lists with %s", r.URL.RawQuery)
		}
		_, _ = fmt.Fprint(w, answer) // the client reports what is missing
	})}
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir)
	})
	return socket
}

// scrape returns the values by "metric service".
func scrape(t *testing.T, socket string) (map[string]float64, error) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(enginestats.New(socket, "abc")); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	values := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			service := ""
			for _, label := range m.GetLabel() {
				if label.GetName() == "service" {
					service = label.GetValue()
				}
			}
			value := m.GetGauge().GetValue()
			if family.GetType() == dto.MetricType_COUNTER {
				value = m.GetCounter().GetValue()
			}
			values[strings.TrimSpace(family.GetName()+" "+service)] = value
		}
	}
	return values, err
}

func TestCollect(t *testing.T) {
	t.Parallel()
	got, err := scrape(t, engineWith(t, map[string]string{
		"/containers/json":       `[{"Id": "abc"}, {"Id": "one"}, {"Id": "two"}, {"Id": "gone"}]`,
		"/containers/abc/json":   self,
		"/containers/abc/stats":  idle,
		"/containers/one/json":   first,
		"/containers/one/stats":  version1,
		"/containers/two/json":   second,
		"/containers/two/stats":  version2,
		"/containers/gone/stats": idle,
	}))
	if err != nil {
		t.Fatal(err)
	}
	medium := instance.Medium()
	want := map[string]float64{
		"bytebites_core_price_dollars_per_hour":              float64(medium.PriceMicros) / 1e6 / medium.CPU,
		"container_cpu_usage_seconds_total postgres":         2.5,
		"container_cpu_cfs_periods_total postgres":           40,
		"container_cpu_cfs_throttled_periods_total postgres": 30,
		"container_spec_cpu_quota postgres":                  25_000,
		"container_spec_cpu_period postgres":                 100_000,
		"container_memory_working_set_bytes postgres":        600,
		"container_spec_memory_limit_bytes postgres":         1000,
		"container_network_receive_bytes_total postgres":     11,
		"container_network_transmit_bytes_total postgres":    22,
		"container_fs_reads_bytes_total postgres":            4100,
		"container_fs_writes_bytes_total postgres":           8192,
		"container_fs_reads_total postgres":                  2,
		"container_fs_writes_total postgres":                 1,
		"container_start_time_seconds postgres":              1767323045,
		"container_spec_cpu_quota shard-1":                   5_000,
		"container_spec_cpu_period shard-1":                  10_000,
		"container_memory_working_set_bytes shard-1":         500,
		"container_fs_writes_bytes_total shard-1":            2,
		"container_memory_working_set_bytes engine-stats":    0,
		"container_fs_reads_bytes_total engine-stats":        0,
		"container_start_time_seconds engine-stats":          1767323045.5,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	// What the engine does not know is no metric.
	for _, name := range []string{
		"container_spec_cpu_quota engine-stats", "container_spec_cpu_period engine-stats",
		"container_spec_memory_limit_bytes engine-stats", "container_fs_reads_total shard-1",
	} {
		if value, ok := got[name]; ok {
			t.Errorf("%s is %v, want none", name, value)
		}
	}
}

func TestCollectFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"own container unknown", nil, "no such container"},
		{"own container in no project", map[string]string{"/containers/abc/json": `{}`}, "no label com.docker.compose.project"},
		{"answer is no JSON", map[string]string{"/containers/abc/json": self, "/containers/json": "<html>"}, "read the answer"},
		{
			"a container's numbers are no JSON",
			map[string]string{"/containers/abc/json": self, "/containers/json": `[{"Id": "abc"}]`, "/containers/abc/stats": "<html>"}, "read the answer",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := scrape(t, engineWith(t, tt.answers))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q; metrics %v", err, tt.want, got)
			}
		})
	}
	if _, err := scrape(t, filepath.Join(t.TempDir(), "no.sock")); err == nil || !strings.Contains(err.Error(), "ask the engine") {
		t.Errorf("no engine: error %v", err)
	}
}
