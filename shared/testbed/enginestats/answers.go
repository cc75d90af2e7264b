package enginestats

import (
	"strings"
	"time"
)

// spec is the part of the engine's description of a container that is exported.
type spec struct {
	Name   string
	Config struct{ Labels map[string]string }
	State  struct{ StartedAt time.Time }
	// A field matches the engine's name in any case: CpuQuota.
	HostConfig struct {
		NanoCPUs            int64
		CPUQuota, CPUPeriod int64
		Memory              int64
	}
}

// quota returns the CPU time of a period in microseconds, and false without a quota.
func (s spec) quota() (float64, bool) {
	switch {
	case s.HostConfig.NanoCPUs > 0:
		return float64(s.HostConfig.NanoCPUs) / nanosPerSecond * quotaPeriod, true
	case s.HostConfig.CPUQuota > 0:
		return float64(s.HostConfig.CPUQuota), true
	}
	return 0, false
}

// period returns the length of a quota period in microseconds, and false without a quota.
func (s spec) period() (float64, bool) {
	_, limited := s.quota()
	if s.HostConfig.NanoCPUs == 0 && s.HostConfig.CPUPeriod > 0 {
		return float64(s.HostConfig.CPUPeriod), limited
	}
	return quotaPeriod, limited
}

// stats is the part of the engine's numbers of a container that is exported.
type stats struct {
	CPU struct {
		Usage struct {
			Total uint64 `json:"total_usage"` // in nanoseconds
		} `json:"cpu_usage"`
		Throttling struct {
			Periods   uint64 `json:"periods"`
			Throttled uint64 `json:"throttled_periods"`
		} `json:"throttling_data"`
	} `json:"cpu_stats"`
	Memory struct {
		Usage   uint64            `json:"usage"`
		Details map[string]uint64 `json:"stats"`
	} `json:"memory_stats"`
	Networks map[string]struct {
		Received uint64 `json:"rx_bytes"`
		Sent     uint64 `json:"tx_bytes"`
	} `json:"networks"`
	Disk struct {
		Bytes      []diskCount `json:"io_service_bytes_recursive"`
		Operations []diskCount `json:"io_serviced_recursive"`
	} `json:"blkio_stats"`
}

// diskCount is a count of one kind of operation on one disk.
type diskCount struct {
	Op    string `json:"op"` // "Read" in version 1 of control groups, "read" in version 2
	Value uint64 `json:"value"`
}

// sum adds the counts of an operation on all disks.
func sum(counts []diskCount, op string) float64 {
	total := 0.0
	for _, c := range counts {
		if strings.EqualFold(c.Op, op) {
			total += float64(c.Value)
		}
	}
	return total
}

// workingSet returns the memory in use without files that the kernel can forget, in bytes.
func (s stats) workingSet() float64 {
	files := s.Memory.Details["inactive_file"] // version 2 of control groups
	if total, ok := s.Memory.Details["total_inactive_file"]; ok {
		files = total // version 1
	}
	if files > s.Memory.Usage {
		return 0
	}
	return float64(s.Memory.Usage - files)
}

// network returns the bytes of all interfaces.
func (s stats) network() (received, sent float64) {
	for _, n := range s.Networks {
		received += float64(n.Received)
		sent += float64(n.Sent)
	}
	return received, sent
}
