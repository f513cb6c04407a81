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
	return limit(root, "memory", "memory.max", "memory.limit_in_bytes")
}

// TaskLimit returns how many tasks (threads) the control group may have, found as in MemoryLimit. Other
// processes of the container count too.
func TaskLimit(root fs.FS) (tasks int64, found bool) {
	return limit(root, "pids", "pids.max", "pids.max")
}

// limit returns the smallest value of a controller's file, which has a name in each version.
func limit(root fs.FS, controller, file2, file1 string) (n int64, found bool) {
	v2, v1 := groups(root, controller)
	n = int64(math.MaxInt64)
	for _, name := range upwards("sys/fs/cgroup", v2, file2) {
		n = min(n, readLimit(root, name))
	}
	for _, name := range upwards("sys/fs/cgroup/"+controller, v1, file1) {
		n = min(n, readLimit(root, name))
	}
	if n >= noLimit {
		return 0, false
	}
	return n, true
}

// noLimit is the bound from which on a limit is none: version 1 writes "none" as the largest multiple of the
// page size in an int64, 9223372036854771712 with 4 KiB pages. No machine has 4 EiB.
const noLimit = 1 << 62

// groups reads the paths of the process's control groups, cgroups(7): lines of "hierarchy:controllers:path",
// version 2 being "0::path" and v1 the path of the controller. What is missing is the root.
func groups(root fs.FS, controller string) (v2, v1 string) {
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, name, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "":
			v2 = name
		case strings.Contains(","+controllers+",", ","+controller+","):
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
