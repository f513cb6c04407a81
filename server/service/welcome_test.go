package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/server/message"
)

// TestWelcome: the page that says how to mount is for an image in whose directory nothing is, and for its root alone.
func TestWelcome(t *testing.T) {
	site := func(context.Context, *message.Request) message.Response { return message.Response{Status: 404} }
	empty, filled := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(filled, "repo"), 0o755); err != nil { // as it is where something is mounted below
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mountPoint, directory, method, target string
		welcome                                     bool
	}{
		{"nothing mounted", empty, empty, "GET", "/", true},
		{"a query", empty, empty, "GET", "/?a=b", true},
		{"HEAD", empty, empty, "HEAD", "/", true},
		{"a slash at the end", empty, empty + "/", "GET", "/", true},
		{"another path", empty, empty, "GET", "/index.html", false},
		{"another method", empty, empty, "POST", "/", false},
		{"mounted below", filled, filled, "GET", "/", false},
		{"another directory", empty, t.TempDir(), "GET", "/", false},
		{"no image", "", empty, "GET", "/", false},
		{"mounted", "/", "/", "GET", "/", false},
	} {
		handler := welcoming(Setup{Config: config.Config{Directory: c.directory}, MountPoint: c.mountPoint}, site)
		response := handler(t.Context(), &message.Request{Method: c.method, Target: c.target})
		if got := response.Status == 200; got != c.welcome {
			t.Errorf("%s: welcome %v, want %v", c.name, got, c.welcome)
		}
	}
	// What comes later is seen.
	handler := welcoming(Setup{Config: config.Config{Directory: empty}, MountPoint: empty}, site)
	if err := os.WriteFile(filepath.Join(empty, "page.html"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := handler(t.Context(), &message.Request{Method: "GET", Target: "/"}).Status; got != 404 {
		t.Errorf("with a file in it: %d", got)
	}
	if !strings.Contains(string(welcomePage), `rel="icon"`) {
		t.Error("the page has no icon, so that browsers ask for one")
	}
}

func TestIsMounted(t *testing.T) {
	const mounts = "1 0 0:50 / / rw,relatime - overlay overlay rw\n2 1 8:1 /home/me/site /srv ro,relatime - ext4 /dev/vda1 rw\n3 2 8:1 /a /srv/below ro - ext4 /dev/vda1 rw\n\n"
	read := func(name string) ([]byte, error) {
		if name != "/proc/self/mountinfo" {
			return nil, errors.New(name)
		}
		return []byte(mounts), nil
	}
	for directory, want := range map[string]bool{"/srv": true, "/srv/": true, "/srv/below": true, "/srv/belo": false, "/home/me/site": false, "overlay": false} {
		if got := isMounted(read, directory); got != want {
			t.Errorf("%s: %v, want %v", directory, got, want)
		}
	}
	if isMounted(func(string) ([]byte, error) { return nil, os.ErrNotExist }, "/srv") {
		t.Error("mounted without a mountinfo")
	}
}

// TestWarnOfEmpty: a path of -v that was mistyped, on either side of its colon, is told at the start.
func TestWarnOfEmpty(t *testing.T) {
	empty, filled := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(filled, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const usual = "1 0 0:50 / / rw - overlay overlay rw\n2 1 0:5 / /proc rw - proc proc rw\n3 2 0:6 / /dev/shm rw - tmpfs shm rw\n4 1 8:1 /x /etc/hosts rw - ext4 /dev/vda1 rw\n"
	mounted := func(path string) string { return "5 1 8:1 /home/me/site " + path + " ro - ext4 /dev/vda1 rw\n" }
	for _, c := range []struct{ name, mountPoint, directory, mounts, want string }{
		{"mounted and filled", filled, filled, mounted(filled), ""},
		{"copied into an image", filled, filled, "", ""},
		{"no image", "", empty, "", ""},
		{"another directory", filled, empty, "", ""},
		{"mounted and empty", empty, empty, mounted(empty), "check the path before the colon of -v"},
		{"nothing mounted", empty, empty, "", "nothing is mounted there"},
		{"mounted elsewhere", empty, empty, mounted("/src") + mounted("/previews"), "; mounted at another path: /src"},
		{"a store is mounted", empty, empty, mounted("/previews"), "-v \"$PWD:" + empty + ":ro\""},
	} {
		read := func(string) ([]byte, error) { return []byte(usual + c.mounts), nil }
		got := warnOfEmpty(Setup{Config: config.Config{Directory: c.directory, PreviewsStore: "/previews"}, MountPoint: c.mountPoint}, read)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Contains(got, "/etc/hosts") || strings.Contains(got, "/previews") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
