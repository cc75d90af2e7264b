package load

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"
)

// Host is what an attack saw of the machine while it sent requests.
type Host struct {
	CPUs int `json:"cpus"`
	// IdleShare is the share of the CPU time of all cores that nobody used, waiting
	// for disks included, in [0, 1]. Time stolen by a hypervisor is not idle.
	IdleShare float64 `json:"idle_share"`
	// ClientCPU is the CPU time that this process used, the whole attack long.
	ClientCPU time.Duration `json:"client_cpu_ns"`
}

// IdleCores returns how many cores' worth of time was idle.
func (h Host) IdleCores() float64 { return h.IdleShare * float64(h.CPUs) }

// machineTimes is CPU time since boot, in seconds over all cores.
type machineTimes struct{ idle, total float64 }

func readMachine(ctx context.Context) (machineTimes, error) {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return machineTimes{}, fmt.Errorf("read CPU times: %w", err)
	}
	if len(all) == 0 {
		return machineTimes{}, fmt.Errorf("read CPU times: none")
	}
	t := all[0]
	// Guest time is left out: the kernel counts it in User already.
	idle := t.Idle + t.Iowait
	return machineTimes{idle: idle, total: idle + t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal}, nil
}

// idleShare is the idle share between two readings. Without any time between them
// nothing was seen to be idle.
func idleShare(from, to machineTimes) float64 {
	total := to.total - from.total
	if total <= 0 {
		return 0
	}
	return min(max((to.idle-from.idle)/total, 0), 1)
}

func readOwnCPU(ctx context.Context) (time.Duration, error) {
	p, err := process.NewProcessWithContext(ctx, int32(os.Getpid()))
	if err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	t, err := p.TimesWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration((t.User + t.System) * float64(time.Second)), nil
}

// sampler watches the machine for the length of an attack's window.
type sampler struct {
	from, to machineTimes
	own      time.Duration
	err      error
	done     chan struct{}
}

func startSampler(ctx context.Context, until time.Time) (*sampler, error) {
	s := &sampler{done: make(chan struct{})}
	var err error
	if s.own, err = readOwnCPU(ctx); err != nil {
		return nil, err
	}
	if s.from, err = readMachine(ctx); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		// The window only: the wait for the last timeouts would pass for idleness.
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		s.to, s.err = readMachine(context.WithoutCancel(ctx))
	}()
	return s, nil
}

func (s *sampler) stop(ctx context.Context) (Host, error) {
	<-s.done
	if s.err != nil {
		return Host{}, s.err
	}
	own, err := readOwnCPU(ctx)
	if err != nil {
		return Host{}, err
	}
	return Host{CPUs: runtime.NumCPU(), IdleShare: idleShare(s.from, s.to), ClientCPU: own - s.own}, nil
}
