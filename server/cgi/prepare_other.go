//go:build !linux

package cgi

import "io/fs"

// Prepare refuses: scripts run on Linux only.
func Prepare(fs.FS) (*User, error) { return nil, errPlatform }
