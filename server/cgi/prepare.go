package cgi

import (
	"bufio"
	"context"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// User is the user that scripts run as.
type User struct{ UID, GID uint32 }

// anyNobody is the user where no list of users says who nobody is.
const anyNobody = 65534

// nobody finds the user that scripts of a server run by root run as, in the etc/passwd of root: nobody_uid.
// Without a user nobody it is one beyond the highest.
func nobody(root fs.FS) User {
	f, err := root.Open("etc/passwd")
	if err != nil {
		return User{anyNobody, anyNobody}
	}
	defer f.Close()
	var highest uint64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		entry := strings.Split(lines.Text(), ":")
		if len(entry) < 4 {
			continue
		}
		uid, err := strconv.ParseUint(entry[2], 10, 32)
		if err != nil {
			continue
		}
		if gid, err := strconv.ParseUint(entry[3], 10, 32); err == nil && entry[0] == "nobody" {
			return User{uint32(uid), uint32(gid)}
		}
		highest = max(highest, uid)
	}
	if highest == 0 || highest >= 1<<32-2 { // the last one means "no change" to setuid(2)
		return User{anyNobody, anyNobody}
	}
	return User{uint32(highest + 1), uint32(highest + 1)}
}

// ServerName returns the SERVER_NAME of a server that listens on an address: HTTPServer.server_bind, which
// asks socket.getfqdn. Where nobody has a name for it in time it is the address.
func ServerName(ctx context.Context, address netip.Addr) string {
	text := address.WithZone("").Unmap().String()
	if address.IsUnspecified() {
		host, err := os.Hostname()
		if err != nil {
			return text
		}
		addresses, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil || len(addresses) == 0 {
			return host
		}
		return qualified(ctx, host, addresses[0])
	}
	return qualified(ctx, text, text)
}

// qualified returns the first of an address's names that has a dot, else the first, else name.
func qualified(ctx context.Context, name, address string) string {
	names, err := net.DefaultResolver.LookupAddr(ctx, address)
	if err != nil || len(names) == 0 {
		return name
	}
	for _, n := range names {
		if n = strings.TrimSuffix(n, "."); strings.Contains(n, ".") {
			return n
		}
	}
	return strings.TrimSuffix(names[0], ".")
}
