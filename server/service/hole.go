//go:build hole

package service

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// withHole puts before next what somebody could do who has taken over the process: /__previewd/hole/read?/etc/passwd. It
// is for tests of the kernel's confinement, and in no other build.
func withHole(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		path, query, _ := strings.Cut(r.Target, "?")
		does, found := strings.CutPrefix(path, "/__previewd/hole/")
		if !found {
			return next(ctx, r)
		}
		what, err := url.QueryUnescape(query)
		text := ""
		if err == nil {
			text, err = misuse(ctx, does, what)
		}
		if err != nil {
			return message.Response{Status: 403, Body: message.Bytes([]byte(err.Error()))}
		}
		return message.Response{Status: 200, Body: message.Bytes([]byte(text))}
	}
}

func misuse(ctx context.Context, does, what string) (string, error) {
	switch does {
	case "read":
		text, err := os.ReadFile(what)
		return string(text), err
	case "list":
		entries, err := os.ReadDir(what)
		return fmt.Sprint(entries), err
	case "write":
		return "", os.WriteFile(what, []byte("written"), 0o600)
	case "remove":
		return "", os.Remove(what)
	case "run":
		program, err := os.StartProcess(what, []string{what}, &os.ProcAttr{})
		if err == nil {
			_, err = program.Wait()
		}
		return "", err
	case "connect":
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", what)
		if err == nil {
			err = conn.Close()
		}
		return "", err
	case "listen":
		config := net.ListenConfig{}
		config.SetMultipathTCP(false) // which no version of Landlock confines
		l, err := config.Listen(ctx, "tcp", what)
		if err == nil {
			err = l.Close()
		}
		return "", err
	case "unix":
		conn, err := new(net.Dialer).DialContext(ctx, "unix", what)
		if err == nil {
			err = conn.Close()
		}
		return "", err
	}
	return "", fmt.Errorf("no such misuse: %s", does)
}
