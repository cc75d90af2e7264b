package hostlock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// startTime returns the start of a process in clock ticks since boot: field 22 of
// /proc/<pid>/stat, see proc_pid_stat(5). A zombie has ended, so it counts as gone.
func startTime(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", fmt.Errorf("read start time: %w", err)
	}
	return parseStat(string(data))
}

// parseStat reads field 22. The second field is the command in brackets. It may contain
// spaces and brackets, so the fields are counted from the last bracket.
func parseStat(stat string) (string, error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", fmt.Errorf("stat %q: no command", stat)
	}
	fields := strings.Fields(stat[end+1:]) // fields[0] is field 3
	const startField = 22 - 3
	if len(fields) <= startField {
		return "", fmt.Errorf("stat %q: %d fields after the command", stat, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", fmt.Errorf("process has ended: %w", fs.ErrNotExist)
	}
	return fields[startField], nil
}

func isNoProcess(err error) bool {
	// The process may end between opening and reading the file.
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

func whereami() identity {
	id, _ := os.ReadFile("/etc/machine-id") // may be missing: then only the host name counts
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	return identity{host: hostName(string(id)), boot: strings.TrimSpace(string(boot)), namespace: namespace}
}
