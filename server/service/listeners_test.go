package service

import (
	"net"
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
