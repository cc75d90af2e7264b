package subprocess

import (
	"os"
	"syscall"
)

func attributes(bool) *syscall.SysProcAttr { return nil }

// interrupt kills: Windows has no signal that one process could send to another.
func interrupt(p *os.Process, _ bool) error { return p.Kill() }

// ownSession changes nothing: on Windows a program goes on when the one that started it ends.
func ownSession() *syscall.SysProcAttr { return nil }
