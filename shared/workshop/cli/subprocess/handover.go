package subprocess

import (
	"fmt"
	"os/exec"
	"time"
)

// HandOver starts a program that may outlive this one, such as the user's browser. It waits so long
// for the program to fail, and returns nil if it goes on after that. The program has no terminal.
func HandOver(wait time.Duration, dir string, env []string, program string, args ...string) error {
	cmd := exec.Command(program, args...) //nolint:noctx // it is not ours to end
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("run %s: %w", program, err)
		}
	case <-time.After(wait):
	}
	return nil
}
