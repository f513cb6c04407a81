//go:build !linux

package cgi

import (
	"errors"
	"io/fs"
)

var errPlatform = errors.New("scripts run on Linux only")

// Prepare refuses: scripts run on Linux only.
func Prepare(fs.FS) (*User, error) { return nil, errPlatform }
