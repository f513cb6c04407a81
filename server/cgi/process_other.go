//go:build !linux

package cgi

import (
	"context"
	"io"
	"os"
)

// process is what it is on Linux, see its twin; here there is none.
type process struct {
	stdin, stdout, stderr *os.File
	exited                chan struct{}
}

type command struct {
	file      string
	arguments []string
	environ   []string
	user      *User
	content   bool

	started, ended func()
	orphans        *orphans
}

// orphans is what it is on Linux, see its twin.
type orphans struct{}

func newOrphans() *orphans { return nil }

func (o *orphans) collect(context.Context) {}

type output struct {
	file   *os.File
	exited <-chan struct{}
}

func start(command) (*process, error) { return nil, errPlatform }

func (p *process) kill()         {}
func (p *process) close()        {}
func (p *process) exitCode() int { return 0 }

func (o *output) Read([]byte) (int, error) { return 0, io.EOF }

func isExecutable(string) bool { return false }
