package subprocess

import (
	"os"
	"syscall"
)

func attributes(bool) *syscall.SysProcAttr { return nil }

// interrupt kills: Windows has no signal that one process could send to another.
func interrupt(p *os.Process, _ bool) error { return p.Kill() }
