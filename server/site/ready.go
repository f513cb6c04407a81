package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Ready says whether the directory can be opened and its names and files be read. The error tells the
// operator who lacks which right and what to do.
func (s *Site) Ready() error {
	dir, err := os.Open(s.opts.Directory)
	if err != nil {
		return s.diagnose(err)
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return s.diagnose(err)
	}
	// The right to search is another than the right to read.
	if _, err := os.Stat(s.opts.Directory + string(os.PathSeparator) + "."); err != nil {
		return s.diagnose(err)
	}
	return nil
}

// remedies is what the operator can do about a file or directory that may not be read.
const remedies = "run as its owner (docker run --user), allow others to read it (chmod -R o+rX), or on a host with " +
	"SELinux mount it with :z"

// diagnose explains why the directory cannot be used.
func (s *Site) diagnose(err error) error {
	dir := s.opts.Directory
	err = reason(err)
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the directory %s cannot be opened: %w", dir, err)
	}
	owner := ""
	if info, e := os.Stat(dir); e == nil {
		owner = " (" + statusOf(info).describe() + ")"
	}
	return fmt.Errorf("the directory %s cannot be read by uid %d%s: %w; %s", dir, os.Geteuid(), owner, err, remedies)
}
