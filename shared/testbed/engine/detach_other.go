//go:build !unix

package engine

import "os/exec"

// detach does nothing: SetUp starts nothing here.
func detach(*exec.Cmd) {}
