// Package hostcpu tells how much of the machine's CPU was idle, and when.
package hostcpu

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v4/cpu"
)

// MinIdleCores is the least idle CPU time of the machine, in cores. With less, a program may wait
// for the CPU as long as other programs like.
const MinIdleCores = 0.1

// Times is CPU time since boot, in seconds over all cores.
type Times struct{ Idle, Total float64 }

// Read reads the CPU times of the machine. Waits for disks are idle. Time stolen by a hypervisor
// is not idle.
func Read(ctx context.Context) (Times, error) {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return Times{}, fmt.Errorf("read CPU times: %w", err)
	}
	if len(all) == 0 {
		return Times{}, fmt.Errorf("read CPU times: none")
	}
	t := all[0]
	// Guest time is left out, because the kernel counts it in User.
	idle := t.Idle + t.Iowait
	return Times{Idle: idle, Total: idle + t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal}, nil
}

// IdleShare is the idle share of the CPU time between two readings, in [0, 1]. It is 0 when there
// is no time between them.
func IdleShare(from, to Times) float64 {
	total := to.Total - from.Total
	if total <= 0 {
		return 0
	}
	return min(max((to.Idle-from.Idle)/total, 0), 1)
}
