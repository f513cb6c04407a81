package tcp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Holder is a process that listens on a port.
type Holder struct {
	PID  int
	Name string // the command's, 15 bytes at most: comm in proc_pid_comm(5)
}

// FindHolder returns the process that keeps others from listening on an address. found is false where /proc does not
// tell: the process is in another container, or of another user.
func FindHolder(address netip.AddrPort) (h Holder, found bool) {
	var sockets []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err == nil {
			sockets = append(sockets, listening(text, address)...)
		}
	}
	if len(sockets) == 0 {
		return h, false
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // only a bad pattern is an error
	for _, file := range files {
		target, err := os.Readlink(file)
		if err != nil || !slices.Contains(sockets, target) {
			continue
		}
		process := filepath.Dir(filepath.Dir(file))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if h.PID, _ = strconv.Atoi(filepath.Base(process)); err == nil && h.PID > 0 {
			h.Name = string(bytes.TrimSpace(name))
			return h, true
		}
	}
	return h, false
}

// listening returns the sockets in a table of proc_net(5) that listen on an address, or on all addresses, or on any
// where the address is all of them; as links in /proc/PID/fd name them.
func listening(table []byte, address netip.AddrPort) (sockets []string) {
	const listens, inode = "0A", 9
	port := fmt.Sprintf(":%04X", address.Port())
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line) // number, local address, remote address, state ... inode
		if len(fields) <= inode || string(fields[3]) != listens {
			continue
		}
		local, found := bytes.CutSuffix(fields[1], []byte(port))
		all := len(bytes.Trim(local, "0")) == 0
		anywhere := !address.Addr().IsValid() || address.Addr().IsUnspecified()
		if found && (all || anywhere || string(local) == inTable(address.Addr())) {
			sockets = append(sockets, "socket:["+string(fields[inode])+"]")
		}
	}
	return sockets
}

// inTable is an address as the tables have it: words of 32 bits, each as the machine has it.
func inTable(a netip.Addr) (text string) {
	for b := a.AsSlice(); len(b) >= 4; b = b[4:] {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b))
	}
	return text
}
