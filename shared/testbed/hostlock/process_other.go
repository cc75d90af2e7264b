//go:build !linux

package hostlock

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/process"
)

// startTime returns the start of a process in milliseconds since 1970.
func startTime(pid int) (string, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return "", fmt.Errorf("find process: %w", err)
	}
	created, err := p.CreateTime()
	if err != nil {
		return "", fmt.Errorf("read start time: %w", err)
	}
	return strconv.FormatInt(created, 10), nil
}

func isNoProcess(err error) bool { return errors.Is(err, process.ErrorProcessNotRunning) }

// whereami returns a constant boot. Start times are absolute here, so that a process of an
// earlier boot always has another start time.
func whereami() identity {
	id, err := host.HostID()
	if err != nil {
		id = ""
	}
	return identity{host: hostName(id), boot: "any"}
}
