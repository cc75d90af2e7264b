//go:build unix

package stack

import (
	"os"
	"strconv"
	"syscall"
)

// groupOf returns the number of a file's group, and that of root if there is no such file.
func groupOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return rootGroup
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(stat.Gid), 10)
	}
	return rootGroup
}
