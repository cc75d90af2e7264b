//go:build unix && !linux

package cli

import "syscall"

func attributes(foreground bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: !foreground}
}
