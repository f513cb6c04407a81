package service

import (
	"fmt"
	"os/exec"
	"runtime"
)

// browserCommand is the command that opens a URL in the user's browser on an operating system, or why there is none.
func browserCommand(system string, environ map[string]string, url string) ([]string, error) {
	switch system {
	case "darwin":
		return []string{"open", url}, nil
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", url}, nil
	}
	if environ["DISPLAY"] == "" && environ["WAYLAND_DISPLAY"] == "" {
		return nil, fmt.Errorf("there is no display (DISPLAY and WAYLAND_DISPLAY are not set)")
	}
	return []string{"xdg-open", url}, nil
}

// openBrowser opens a URL in the user's browser, and does not wait for it.
func openBrowser(environ map[string]string, url string) error {
	command, err := browserCommand(runtime.GOOS, environ, url)
	if err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends in its own time; whether the browser opened, the user sees
	return nil
}
