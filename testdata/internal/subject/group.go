package subject

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Limited is the command line that starts a command in a control group of its own, with so many MiB of memory, and with so
// many tasks at the most if that is not 0. 0 MiB are no group. remove is for when its process has ended. It needs root.
func Limited(command []string, mebibytes, tasks int) (limited []string, remove func(), err error) {
	if mebibytes == 0 {
		return command, func() {}, nil
	}
	g, err := newGroup(mebibytes)
	if err != nil {
		return nil, nil, err
	}
	if tasks > 0 {
		if err := g.limitTasks(tasks); err != nil {
			g.remove()
			return nil, nil, err
		}
	}
	return g.within(command), g.remove, nil
}

// group is a memory control group, and one of tasks if these are limited.
type group struct {
	dirs []string // in each of the hierarchies
	v2   bool
}

// newGroup makes a group, of version 2 where that has the memory controller.
func newGroup(mebibytes int) (*group, error) {
	name := "previewd-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	root, limit := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		root, limit = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	}
	g := &group{[]string{filepath.Join(root, name)}, limit == "memory.max"}
	if err := os.Mkdir(g.dirs[0], 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(g.dirs[0], limit), []byte(strconv.Itoa(mebibytes<<20)), 0o644); err != nil {
		g.remove()
		return nil, fmt.Errorf("limiting memory: %w", err)
	}
	return g, nil
}

// limitTasks limits how many threads the group may have.
func (g *group) limitTasks(tasks int) error {
	dir := g.dirs[0]
	if !g.v2 {
		dir = filepath.Join("/sys/fs/cgroup/pids", filepath.Base(dir))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		g.dirs = append(g.dirs, dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(tasks)), 0o644); err != nil {
		return fmt.Errorf("limiting tasks: %w", err)
	}
	return nil
}

// within is the command line that starts a command in the group.
func (g *group) within(command []string) []string {
	for _, dir := range g.dirs {
		enter := `echo $$ >"$0/cgroup.procs" && exec "$@"`
		command = append([]string{"/bin/sh", "-c", enter, dir}, command...)
	}
	return command
}

// remove removes the group once its process has ended. What cannot be removed is empty.
func (g *group) remove() {
	for _, dir := range g.dirs {
		for range 20 {
			if os.Remove(dir) == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
