//go:build unix

package service

import (
	"os/exec"
	"syscall"
)

// detach puts a command into a process group of its own, so that Ctrl-C ends the server and not the browser.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
