package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// congestion is the congestion control of all connections. The choice of the machine may be one, such as BBR, that
// costs a sender on loopback more than its answers do.
const congestion = "cubic"

// scratchVariable has the directory of scratch files in the environment of a program that is in its namespace.
const scratchVariable = "COMPARE_SCRATCH"

// enter runs this program with the same arguments in a network namespace of its own, in which it, the servers and
// the load tools have their loopback interface to themselves. Its standard output and standard error are those of
// this one.
func enter(ctx context.Context, args []string, scratch string) error {
	command := exec.CommandContext(ctx, "/proc/self/exe", args...)
	command.Env = append(os.Environ(), scratchVariable+"="+scratch)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	// It stops the servers before it ends.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	return command.Run()
}

// needRoot returns an error to a user who may not make a namespace.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can run it: the servers are in a network namespace of their own")
	}
	return nil
}

// furnish makes the namespace fit for a comparison: it begins with an interface that is down and the congestion
// control of the machine. The routes are told of another one: the setting takes none that the machine does not allow
// to every user.
func furnish(ctx context.Context) error {
	commands := []string{"link set lo up"}
	for _, destination := range []string{"127.0.0.0/8", "127.0.0.1"} {
		commands = append(commands, "route replace local "+destination+" dev lo table local proto kernel scope host src 127.0.0.1 congctl "+congestion)
	}
	for _, line := range commands {
		if text, err := exec.CommandContext(ctx, toolPath("ip"), strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, text)
		}
	}
	got, err := congestionControl()
	if err == nil && got != congestion {
		err = fmt.Errorf("the congestion control is %q, want %s", got, congestion)
	}
	return err
}

// congestionControl returns that of a connection which is accepted on 127.0.0.1: TCP_CONGESTION in tcp(7).
func congestionControl() (name string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "", err
	}
	defer client.Close()
	accepted, err := listener.Accept()
	if err != nil {
		return "", err
	}
	defer accepted.Close()
	raw, err := accepted.(*net.TCPConn).SyscallConn()
	if err != nil {
		return "", err
	}
	var found error
	err = raw.Control(func(fd uintptr) { name, found = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION) })
	return strings.TrimRight(name, "\x00"), errors.Join(err, found)
}
