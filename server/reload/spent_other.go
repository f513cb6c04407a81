//go:build !linux

package reload

import "time"

// spent returns how long do takes.
func spent(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
