//go:build unix

package engine

import (
	"os/exec"
	"syscall"
)

// detach gives the command a session of its own, so that a Ctrl-C here does not end it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
