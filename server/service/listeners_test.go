package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/previewd/previewd/config"
)

func TestTheDefaultAdminPortGivesWay(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	l, err := listenAdmin(t.Context(), config.Config{AdminBind: "127.0.0.1", AdminPort: config.Port(port)})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Addr().(*net.TCPAddr).Port; got == port || got == 0 {
		t.Errorf("listens on port %d beside %d", got, port)
	}
	_ = l.Close()
}

// Law: a port that cannot be listened on is one line, which says what is wrong and what to do, and who has the port
// where the system tells.
func TestWhatToDoAboutAPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	by := "another program"
	if runtime.GOOS == "linux" {
		name, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Fatal(err)
		}
		by = fmt.Sprintf("%q (process %d)", strings.TrimSpace(string(name)), os.Getpid())
	}
	for bind, c := range map[string]config.Config{
		"the same address": {Bind: "127.0.0.1", Port: config.Port(port)},
		"all addresses":    {Port: config.Port(port)},
	} {
		_, err := listen(t.Context(), c, nil)
		if want := fmt.Sprintf("port %d is in use by %s: stop it, or choose another port, for example previewd %d", port, by, nextPort(port)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", bind, err, want)
		}
	}
	_, err = listenAdmin(t.Context(), config.Config{AdminBind: "127.0.0.1", AdminPort: config.Port(port), AdminPortSet: true})
	if want := fmt.Sprintf("port %d is in use by %s: stop it, or choose another port, for example ADMIN_PORT=%d", port, by, nextPort(port)); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = listen(t.Context(), config.Config{Bind: "192.0.2.1", Port: 8000}, nil) // of no machine: RFC 5737
	if want := "192.0.2.1 is not an address of this machine: give another with --bind, BIND or ADMIN_BIND"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	denied := &net.OpError{Op: "listen", Addr: &net.TCPAddr{Port: 80}, Err: os.NewSyscallError("bind", syscall.EACCES)}
	if got, want := listenError("PORT", denied).Error(), "port 80 needs privileges that previewd does not have: choose one from 1024 on, for example PORT=8080"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := listenError("PORT", context.Canceled); !errors.Is(got, context.Canceled) {
		t.Errorf("an error of another kind became %v", got)
	}
}
