package subject

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Group is a memory control group.
type Group struct{ dir string }

// NewGroup makes a group, of version 2 where that has the memory controller. It needs root.
func NewGroup(mebibytes int) (*Group, error) {
	name := "previewd-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	root, limit := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		root, limit = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	}
	g := &Group{filepath.Join(root, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(g.dir, limit), []byte(strconv.Itoa(mebibytes<<20)), 0o644); err != nil {
		g.Remove()
		return nil, fmt.Errorf("limiting memory: %w", err)
	}
	return g, nil
}

// Within is the command line that starts a command in the group.
func (g *Group) Within(command []string) []string {
	enter := `echo $$ >"$0/cgroup.procs" && exec "$@"`
	return append([]string{"/bin/sh", "-c", enter, g.dir}, command...)
}

// Remove removes the group once its process has ended. What cannot be removed is empty.
func (g *Group) Remove() {
	for range 20 {
		if os.Remove(g.dir) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
