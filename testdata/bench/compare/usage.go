package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// tick is what /proc counts CPU time in, in microseconds: USER_HZ is 100 on Linux.
const tick = 10000

// process is a line of /proc/PID/stat.
type process struct {
	id, parent int
	// cpu is utime+stime of all its threads, in ticks.
	cpu int64
}

// processes returns those that run now.
func processes() ([]process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, in brackets, may have spaces and brackets: proc_pid_stat(5).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 13 {
			return nil, fmt.Errorf("%s: %q", file, text)
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		all = append(all, process{id, parent, user + system})
	}
	return all, nil
}

// tree returns a process and all that descend from it.
func tree(root int) ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var family []process
	for _, p := range all {
		if p.id == root {
			family = append(family, p)
		}
	}
	for i := 0; i < len(family); i++ {
		for _, p := range all {
			if p.parent == family[i].id {
				family = append(family, p)
			}
		}
	}
	return family, nil
}

// cpuTime returns what a process and its descendants have used, in microseconds.
func cpuTime(root int) (int64, error) {
	family, err := tree(root)
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, p := range family {
		ticks += p.cpu
	}
	return ticks * tick, nil
}

// peakMemory returns the sum of the most that each of a process and its descendants had resident, in bytes:
// VmHWM. What they share is counted for each.
func peakMemory(root int) (int64, error) {
	family, err := tree(root)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range family {
		kibibytes, err := subject.Status(p.id, "VmHWM")
		if err != nil {
			return 0, err
		}
		sum += kibibytes << 10
	}
	return sum, nil
}

// machineTime returns the CPU time that the whole machine has been busy, in microseconds, with what the host
// of a virtual machine took away.
func machineTime() (int64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat: %q", line)
	}
	var ticks int64
	// user, nice, system, then irq, softirq, steal; idle and iowait are left out: proc_stat(5).
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks * tick, nil
}
