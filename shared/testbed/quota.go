package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/instance"
)

// defaultPeriod is the kernel's default period of a CPU quota. Engines and orchestrators
// use it too.
const defaultPeriod = 100 * time.Millisecond

// unlimitedMemoryMiB is the memory limit of a server without a type. Such a server has no
// CPU quota, but it must not use all of the machine's memory.
const unlimitedMemoryMiB = 2048

// Quota is a server's limits.
type Quota struct {
	CPU         float64       // cores, as the engine has recorded them; 0 is no limit
	Period      time.Duration // of the CPU quota
	MemoryBytes int64

	// KernelCPU is the number of cores that the kernel enforces, read from the control
	// group; 0 is no limit. It is valid only when Verified is true. It cannot be read when
	// the engine runs in a virtual machine and the server has no cat command.
	KernelCPU float64
	Verified  bool
}

// InForce reports whether the engine has recorded the quota of type t and, when Verified,
// the kernel enforces it.
func (q Quota) InForce(t instance.Type) bool {
	const tolerance = 0.005 // of a core; the kernel counts in microseconds of a period
	near := func(cpu float64) bool { return cpu > t.CPU-tolerance && cpu < t.CPU+tolerance }
	return near(q.CPU) && (!q.Verified || near(q.KernelCPU))
}

// Usage counts a server's CPU use since its last start.
type Usage struct {
	At               time.Time     // when the engine read the counters, by its clock
	Periods          int64         // quota periods in which it had work
	ThrottledPeriods int64         // of those, the periods in which it was throttled
	ThrottledTime    time.Duration // throttled, summed over processors
	CPU              time.Duration // processor time used
}

// Since returns the use after the earlier reading. Its At is that of u.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{
		At:               u.At,
		Periods:          u.Periods - earlier.Periods,
		ThrottledPeriods: u.ThrottledPeriods - earlier.ThrottledPeriods,
		ThrottledTime:    u.ThrottledTime - earlier.ThrottledTime,
		CPU:              u.CPU - earlier.CPU,
	}
}

// limits returns the limits of a type. The engine accepts either CPUPeriod with CPUQuota,
// or NanoCPUs. The workshop always uses the pair, because it can set the period.
func limits(t instance.Type, period time.Duration, withCPU bool) container.Resources {
	memory := int64(t.MemoryMiB) << 20
	if memory == 0 {
		memory = unlimitedMemoryMiB << 20
	}
	r := container.Resources{Memory: memory, MemorySwap: memory} // equal: no swap
	if withCPU && t.CPU > 0 {
		r.CPUPeriod = period.Microseconds()
		r.CPUQuota = int64(t.CPU*float64(r.CPUPeriod) + 0.5)
	}
	return r
}

// Resize gives the server the CPU quota and the memory of another type, also while it is
// stopped. The zero Type lifts the CPU quota. A Go service keeps the GOMAXPROCS and
// GOMEMLIMIT of its start.
func (s *Server) Resize(ctx context.Context, t instance.Type) error {
	s.mu.Lock()
	same := s.sized && s.typ == t
	s.sized = same // a call that fails may have changed the limits
	s.mu.Unlock()
	if same {
		return nil
	}
	r := limits(t, s.bed.period, true)
	if r.CPUQuota == 0 {
		r.CPUPeriod, r.CPUQuota = s.bed.period.Microseconds(), -1 // 0 would leave the quota
	}
	if _, err := s.bed.docker.ContainerUpdate(ctx, s.id, client.ContainerUpdateOptions{Resources: &r}); err != nil {
		return fmt.Errorf("resize %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.typ, s.sized = t, true
	s.mu.Unlock()
	return nil
}

// Type is the type that the server has now.
func (s *Server) Type() instance.Type {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.typ
}

// Quota reads the server's limits from the engine and, where possible, from the kernel.
func (s *Server) Quota(ctx context.Context) (Quota, error) {
	res, err := s.bed.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	if err != nil {
		return Quota{}, fmt.Errorf("read quota of %s: %w", s.name, err)
	}
	host, state := res.Container.HostConfig, res.Container.State
	q := Quota{
		CPU:         cores(host.CPUQuota, host.CPUPeriod),
		Period:      time.Duration(host.CPUPeriod) * time.Microsecond,
		MemoryBytes: host.Memory,
	}
	if state == nil || !state.Running {
		return q, nil // without a process there is no control group to read
	}
	if q.KernelCPU, err = hostCgroupCPU("/", state.Pid, s.id); err != nil {
		q.KernelCPU, err = s.ownCgroupCPU(ctx)
	}
	q.Verified = err == nil
	return q, nil
}

// Usage reads the server's processor use and throttling from the engine.
func (s *Server) Usage(ctx context.Context) (Usage, error) {
	res, err := s.bed.docker.ContainerStats(ctx, s.id, client.ContainerStatsOptions{})
	if err != nil {
		return Usage{}, fmt.Errorf("read usage of %s: %w", s.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	var stats container.StatsResponse
	if err := json.NewDecoder(res.Body).Decode(&stats); err != nil {
		return Usage{}, fmt.Errorf("read usage of %s: %w", s.name, err)
	}
	cpu := stats.CPUStats
	return Usage{
		At:               stats.Read,
		Periods:          int64(cpu.ThrottlingData.Periods),
		ThrottledPeriods: int64(cpu.ThrottlingData.ThrottledPeriods),
		ThrottledTime:    time.Duration(cpu.ThrottlingData.ThrottledTime),
		CPU:              time.Duration(cpu.CPUUsage.TotalUsage),
	}, nil
}

func cores(quota, period int64) float64 {
	if quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// hostCgroupCPU reads the CPU limit of a process from the control group files below root,
// version 1 or 2. The path must contain the container's id: when the engine runs on another
// machine, its pid belongs to another process here.
func hostCgroupCPU(root string, pid int, id string) (float64, error) {
	data, err := os.ReadFile(filepath.Join(root, "proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return 0, fmt.Errorf("read control group: %w", err)
	}
	if !strings.Contains(string(data), id) {
		return 0, errors.New("read control group: process of another machine")
	}
	for line := range strings.Lines(string(data)) {
		// hierarchy-id:controllers:path, see cgroups(7).
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount := filepath.Join(root, "sys/fs/cgroup")
		if fields[0] == "0" && fields[1] == "" {
			limit, err := os.ReadFile(filepath.Join(mount, fields[2], "cpu.max"))
			if err != nil {
				continue // hybrid mode: version 2 without the cpu controller
			}
			return parseCPUMax(string(limit))
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			if controller != "cpu" {
				continue
			}
			// "cpu" is a folder or a link to "cpu,cpuacct".
			dir := filepath.Join(mount, "cpu", fields[2])
			quota, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
			if err != nil {
				return 0, fmt.Errorf("read control group: %w", err)
			}
			period, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
			if err != nil {
				return 0, fmt.Errorf("read control group: %w", err)
			}
			return parseCPUMax(string(quota) + " " + string(period))
		}
	}
	return 0, errors.New("read control group: no cpu controller")
}

// ownCgroupCPU reads the same limit from inside the container, which needs the cat command.
func (s *Server) ownCgroupCPU(ctx context.Context) (float64, error) {
	out, err := s.Exec(ctx, "cat", "/sys/fs/cgroup/cpu.max")
	if err != nil {
		out, err = s.Exec(ctx, "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")
	}
	if err != nil {
		return 0, err
	}
	return parseCPUMax(out)
}

// parseCPUMax reads "quota period" in microseconds; "max" and negative quotas are no
// limit.
func parseCPUMax(s string) (float64, error) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return 0, fmt.Errorf("cpu limit %q: want a quota and a period", s)
	}
	period, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || period <= 0 {
		return 0, fmt.Errorf("cpu limit %q: bad period", s)
	}
	if fields[0] == "max" {
		return 0, nil
	}
	quota, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cpu limit %q: bad quota", s)
	}
	return cores(quota, period), nil
}
