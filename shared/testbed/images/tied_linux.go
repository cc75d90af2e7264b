package images

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runTied runs a command. The kernel kills the command when this process ends, also by
// SIGKILL.
func runTied(cmd *exec.Cmd) error {
	// The kernel kills the command when the thread that started it ends, so keep the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}
