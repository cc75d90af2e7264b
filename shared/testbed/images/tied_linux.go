package images

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runTied runs a command that the kernel kills when this process dies, however it dies.
func runTied(cmd *exec.Cmd) error {
	// The kernel watches the thread that started the command, so it must not end early.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}
