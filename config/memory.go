package config

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// MemoryLimit returns the memory limit in bytes of the control group that the process runs in: the smallest
// on the way from its group up to the root, as the kernel enforces each of them. root is the file system's
// root, os.DirFS("/").
//
// In a container without a cgroup namespace /proc/self/cgroup has the host's path while /sys/fs/cgroup begins
// at the container's group: what is not there on the way up is passed over, and the root is the group itself.
func MemoryLimit(root fs.FS) (bytes int64, found bool) {
	v2, v1 := groups(root)
	bytes = int64(math.MaxInt64)
	for _, name := range upwards("sys/fs/cgroup", v2, "memory.max") {
		bytes = min(bytes, readLimit(root, name))
	}
	for _, name := range upwards("sys/fs/cgroup/memory", v1, "memory.limit_in_bytes") {
		bytes = min(bytes, readLimit(root, name))
	}
	if bytes >= noLimit {
		return 0, false
	}
	return bytes, true
}

// noLimit is the bound from which on a limit is none: version 1 writes "none" as the largest multiple of the
// page size in an int64, 9223372036854771712 with 4 KiB pages. No machine has 4 EiB.
const noLimit = 1 << 62

// groups reads the paths of the process's control groups, cgroups(7): lines of "hierarchy:controllers:path",
// version 2 being "0::path". What is missing is the root.
func groups(root fs.FS) (v2, v1 string) {
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, name, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "":
			v2 = name
		case strings.Contains(","+controllers+",", ",memory,"):
			v1 = name
		}
	}
	return v2, v1
}

// upwards lists file in the group's directory and in every one above it, mount's own included.
func upwards(mount, group, file string) []string {
	var names []string
	// Clean ends a path that leads out of the namespace (/../other) at the root.
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		names = append(names, path.Join(mount, group, file))
		if group == "/" {
			return names
		}
	}
}

// readLimit returns the number in the file; where there is none, as in "max", the largest.
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
