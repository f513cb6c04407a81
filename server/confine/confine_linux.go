package confine

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	landlocksyscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Process confines the process for the rest of its life, as far as the kernel can: all of its threads, and the programs
// that it starts. Files, sockets and listeners that are open stay as they are. It is called once, when all are.
func Process(o Options) Report {
	report := Report{Options: o}
	abi, err := landlocksyscall.LandlockGetABIVersion()
	if err != nil {
		report.Why = missing(err)
		return report
	}
	if o.Scripts && abi < portsABI {
		report.Why = "CGI scripts use what they like, and ports are free before Linux 6.7"
		return report
	}
	if o.Store != "" && !o.Scripts && abi < referABI {
		// With the right to move files among its rules, the library does without Landlock here.
		report.Why = "files of previews move to other directories, which Landlock cannot allow before Linux 5.19"
		return report
	}
	r, err := plan(o)
	if err == nil {
		readOnce()
		pin()
		err = r.handled.BestEffort().Restrict(r.landlock()...)
	}
	if err != nil {
		report.Why = err.Error()
		return report
	}
	report.ABI, report.Read, report.Write = abi, withoutInner(slices.Concat(r.trees, r.files, r.store)), slices.Concat(r.state, r.store)
	return report
}

// missing says why the kernel has no Landlock, by the error of landlock_create_ruleset(2).
func missing(err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return "this kernel has no Landlock (Linux 5.13)"
	case errors.Is(err, unix.EOPNOTSUPP):
		return "Landlock is turned off on this machine (boot option lsm=)"
	case errors.Is(err, unix.EPERM):
		return "the container engine's seccomp profile forbids Landlock"
	}
	return fmt.Sprintf("asking the kernel for Landlock: %v", err)
}

// readOnce has Go read what it reads when it is first needed, and could not any more: the time zone, and the roots of
// certificates.
func readOnce() {
	_, _ = time.Now().Zone()
	_, _ = x509.SystemCertPool() // there may be none
}

// pin keeps the system's own files looked up. A rule holds an inode, and the kernel makes another one for a name in /proc
// when it has forgotten it, as it does where memory is short. The descriptors are never closed.
func pin() {
	trees, files := system()
	for _, path := range append(trees, files...) {
		_, _ = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0) // a missing one is not needed
	}
}
