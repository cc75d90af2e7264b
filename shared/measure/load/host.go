package load

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"bytebites.example/workshop/shared/measure/hostcpu"
)

// Host is the CPU use of the machine while an attack sent requests.
type Host struct {
	CPUs int `json:"cpus"`
	// IdleShare is the idle share of the CPU time of all cores, in [0, 1]. Waits for disks
	// are idle. Time stolen by a hypervisor is not idle.
	IdleShare float64 `json:"idle_share"`
	// ClientCPU is the CPU time that this process used during the whole attack.
	ClientCPU time.Duration `json:"client_cpu_ns"`
}

// IdleCores returns the idle CPU time in cores.
func (h Host) IdleCores() float64 { return h.IdleShare * float64(h.CPUs) }

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

// sampler reads the machine's CPU times over an attack's window.
type sampler struct {
	from, to hostcpu.Times
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
	if s.from, err = hostcpu.Read(ctx); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		// Only the window, because the machine is idle during the last timeouts.
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		s.to, s.err = hostcpu.Read(context.WithoutCancel(ctx))
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
	return Host{CPUs: runtime.NumCPU(), IdleShare: hostcpu.IdleShare(s.from, s.to), ClientCPU: own - s.own}, nil
}
