package service

import (
	"context"
	_ "embed"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/previewd/previewd/server/message"
)

//go:embed welcome.html
var welcomePage []byte

// welcoming puts the page that says how to mount before next, where an image is served in which nothing is mounted. It
// is the answer to / as long as the directory is empty: what is mounted below, or copied, is seen there. An empty directory
// that the user has mounted is the user's.
func welcoming(setup Setup, next message.Handler) message.Handler {
	directory := setup.Config.Directory
	if setup.MountPoint == "" || filepath.Clean(directory) != setup.MountPoint || isMounted(os.ReadFile, directory) {
		return next
	}
	return func(ctx context.Context, r *message.Request) message.Response {
		path, _, _ := strings.Cut(r.Target, "?")
		if path != "/" || r.Method != "GET" && r.Method != "HEAD" || !isEmpty(directory) {
			return next(ctx, r)
		}
		return message.Response{Status: 200, Body: message.Bytes(welcomePage), Fields: message.Fields{
			{Name: "Content-Type", Value: "text/html; charset=utf-8"},
			{Name: "Cache-Control", Value: "no-store"},
		}}
	}
}

// isMounted says whether something is mounted on a directory: the fifth part of a line of mountinfo, see proc(5).
func isMounted(read func(string) ([]byte, error), directory string) bool {
	text, err := read("/proc/self/mountinfo")
	if err != nil {
		return false // there is none: this is no container
	}
	for line := range strings.Lines(string(text)) {
		if parts := strings.Fields(line); len(parts) > 4 && parts[4] == filepath.Clean(directory) {
			return true
		}
	}
	return false
}

func isEmpty(directory string) bool {
	d, err := os.Open(directory)
	if err != nil {
		return false
	}
	defer d.Close()
	_, err = d.ReadDir(1)
	return err == io.EOF
}
