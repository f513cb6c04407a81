package service

import (
	"context"
	_ "embed"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// emptyHint is said on the page of a directory that is mounted and empty.
const emptyHint = "If there should be files here, check the path before the colon of -v: where it does not exist, Docker makes an empty directory."

// hintOfEmpty is what the listing of a mounted directory says when that is empty; "" where nothing is mounted.
func hintOfEmpty(setup Setup) string {
	if directory := setup.Config.Directory; setup.MountPoint == "" || filepath.Clean(directory) != setup.MountPoint || !isMounted(os.ReadFile, directory) {
		return ""
	}
	return emptyHint
}

// warnOfEmpty returns what the log says at the start of an image whose directory is empty: a path of -v was mistyped on one
// side of its colon. read reads a file.
func warnOfEmpty(setup Setup, read func(string) ([]byte, error)) string {
	directory := setup.Config.Directory
	if setup.MountPoint == "" || filepath.Clean(directory) != setup.MountPoint || !isEmpty(directory) {
		return ""
	}
	if isMounted(read, directory) {
		return "the directory that is mounted at " + directory + " is empty; if there should be files in it, check the path before the colon of -v: " +
			"where it does not exist, Docker makes an empty directory"
	}
	warning := directory + " is empty, and nothing is mounted there: start the container with -v \"$PWD:" + directory + ":ro\""
	// What is mounted for builds from a registry is not meant to be served.
	isStore := func(path string) bool { return path == filepath.Clean(setup.Config.PreviewsStore) }
	if others := slices.DeleteFunc(otherMounts(read), isStore); len(others) > 0 {
		warning += "; mounted at another path: " + strings.Join(others, ", ")
	}
	return warning
}

// otherMounts are the paths at which a user has mounted something: neither the root, nor what an engine puts into every
// container.
func otherMounts(read func(string) ([]byte, error)) (paths []string) {
	text, err := read("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.Fields(line)
		if len(parts) < 5 || parts[4] == "/" {
			continue
		}
		switch top, _, _ := strings.Cut(parts[4][1:], "/"); top {
		case "proc", "sys", "dev", "etc", "run", "tmp", "var":
			continue
		}
		paths = append(paths, parts[4])
	}
	return paths
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
