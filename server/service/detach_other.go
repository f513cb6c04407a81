//go:build !unix

package service

import "os/exec"

// detach has nothing to do: rundll32 ends at once.
func detach(*exec.Cmd) {}
