//go:build unix

package subprocess

import (
	"errors"
	"os"
	"syscall"
)

// interrupt asks a program to end, and with it, unless the terminal has done so, the
// programs of its process group.
func interrupt(p *os.Process, foreground bool) error {
	if foreground {
		return p.Signal(os.Interrupt)
	}
	err := syscall.Kill(-p.Pid, syscall.SIGINT)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// ownSession lets a program go on when this one ends, or gets a Ctrl-C.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
