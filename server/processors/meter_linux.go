package processors

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const measurable = true

// meter measures what processors are used for. It is for one goroutine.
type meter struct {
	stat *os.File // /proc/stat, read again and again from its beginning
	text []byte
	cpus unix.CPUSet // of the last reading, or try
}

func newMeter() (*meter, error) {
	stat, err := os.Open("/proc/stat")
	if err != nil {
		return nil, err
	}
	m := &meter{stat: stat, text: make([]byte, 1<<10)}
	if err := unix.SchedGetaffinity(0, &m.cpus); err != nil {
		stat.Close()
		return nil, err
	}
	return m, nil
}

func (m *meter) close() { m.stat.Close() }

// used returns what this process has used, without scripts: they are other programs.
func used() use {
	var r unix.Rusage
	// It fails for a bad argument only.
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return use{time.Duration(r.Utime.Nano() + r.Stime.Nano()), int64(r.Nvcsw)}
}

var (
	errMoved = errors.New("the process may use other processors than before")
	errStat  = errors.New("/proc/stat lacks a processor that the process may use")
)

// maxStat is more than the lines of the 1024 processors of a unix.CPUSet take: ten numbers of 20 digits.
const maxStat = 1 << 18

// read returns how the processors that the process may use have been used. It fails once when they change.
func (m *meter) read() (usage, error) {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return usage{}, err
	}
	if cpus != m.cpus {
		m.cpus = cpus
		return usage{}, errMoved
	}
	for {
		n, err := m.stat.ReadAt(m.text, 0)
		if err != nil && err != io.EOF {
			return usage{}, err
		}
		u, found := parse(m.text[:n], cpus)
		if found {
			return u, nil
		}
		if n < len(m.text) || n >= maxStat {
			return usage{}, errStat
		}
		m.text = make([]byte, 2*n)
	}
}

// parse adds up the lines of the processors in cpus: "cpu0 1 2 3 …", in ticks. Lines of processors that are
// offline are missing, and those of all others are needed. What follows them is not looked at.
func parse(stat []byte, cpus unix.CPUSet) (u usage, found bool) {
	u.processors = cpus.Count()
	for missing := u.processors; missing > 0; {
		end := bytes.IndexByte(stat, '\n')
		if end < 0 || !bytes.HasPrefix(stat, []byte("cpu")) {
			return usage{}, false
		}
		line := stat[len("cpu"):end]
		stat = stat[end+1:]
		cpu, line, ok := number(line)
		if !ok || !cpus.IsSet(int(cpu)) {
			continue // the first line has the sum of all
		}
		if !u.add(line) {
			return usage{}, false
		}
		cpus.Clear(int(cpu))
		missing--
	}
	return u, u.processors > 0
}

// add adds a processor's numbers. The seven that are needed are there since Linux 2.6.
func (u *usage) add(line []byte) bool {
	var ticks [7]int64 // user, nice, system, idle, iowait, irq, softirq
	for i := range ticks {
		var ok bool
		if ticks[i], line, ok = number(line); !ok {
			return false
		}
	}
	u.programs += ticks[0] + ticks[1] + ticks[2]
	u.idle += ticks[3] + ticks[4]
	u.interrupts += ticks[5] + ticks[6]
	// Interrupts come one at a time. So a kernel that looks what runs at each tick of its clock, itself an
	// interrupt, never finds one, and counts it to the program.
	u.apart = u.apart || ticks[5] > 0
	return true
}

// number reads the number at the beginning of text, and the blank behind it. One of 16 digits is no number of
// ticks that there were.
func number(text []byte) (n int64, rest []byte, ok bool) {
	digits := 0
	for digits < len(text) && digits < 16 && '0' <= text[digits] && text[digits] <= '9' {
		n = 10*n + int64(text[digits]-'0')
		digits++
	}
	if digits == 0 || digits == 16 {
		return 0, nil, false
	}
	if rest = text[digits:]; len(rest) == 0 {
		return n, nil, true
	}
	return n, rest[1:], rest[0] == ' '
}
