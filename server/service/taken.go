package service

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/previewd/previewd/server/tcp"
)

// listenError says what to do where a port could not be listened on. setting is PORT, TLS_PORT or ADMIN_PORT.
func listenError(setting string, err error) error {
	var network *net.OpError
	if err == nil || !errors.As(err, &network) {
		return err
	}
	address, ok := network.Addr.(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("%s: %w", setting, err)
	}
	other := setting + "=" + strconv.Itoa(nextPort(address.Port))
	if setting == "PORT" {
		other = "previewd " + strconv.Itoa(nextPort(address.Port))
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is in use by %s: stop it, or choose another port, for example %s",
			address.Port, holder(address), other)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs privileges that previewd does not have: choose one from 1024 on, for example %s=8080",
			address.Port, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine: give another with --bind, BIND or ADMIN_BIND", address.IP)
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// holder names the program that listens on an address.
func holder(address *net.TCPAddr) string {
	h, found := tcp.FindHolder(tcp.AddrPort(address))
	if !found {
		return "another program"
	}
	return fmt.Sprintf("%q (process %d)", h.Name, h.PID)
}

// nextPort is another port, whether it is free or not.
func nextPort(port int) int {
	if port == 65535 {
		return port - 1
	}
	return port + 1
}
