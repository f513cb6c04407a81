package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// writer writes the entries of an archive.
type writer interface {
	// directory, link and file begin an entry; name has no slash at its end. What belongs to a file is written to what is
	// returned, as many bytes as its size.
	directory(name string, st tree.Status) error
	link(name, target string, st tree.Status) error
	file(name string, size int64, st tree.Status) (io.Writer, error)
	// Close writes the end.
	Close() error
}

// maxNotes is how many names are told that are left out. There may be more.
const maxNotes = 10

// Write writes the archive. After an error it has no end: that is written once all that has been sent was seen again as it
// was sent, by its size, its times and its place.
func (a *Archive) Write(ctx context.Context, to io.Writer) error {
	buffered := bufio.NewWriterSize(to, 64<<10)
	w := a.Format.begin(buffered, a.Packed)
	sent := &sending{looking{a: a}, w}
	if err := a.walk(ctx, sent, a.Name, a.Top); err != nil {
		return err
	}
	if more := a.leftOut - maxNotes; more > 0 {
		a.Note(fmt.Sprintf("%d more are not in the archive", more))
	}
	again := *a
	again.Note = func(string) {}
	now := &looking{a: &again}
	now.seen.SetSeed(sent.seen.Seed())
	if err := again.walk(ctx, now, a.Name, a.Top); err != nil {
		return err
	}
	if now.seen.Sum64() != sent.seen.Sum64() {
		return fmt.Errorf("%q, or what is in it: %w", now.seen.newest, message.ErrChanged)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// seen tells what a walk has come across from anything else it might have. A difference goes unnoticed once in 2^64 times.
type seen struct {
	maphash.Hash
	// newest is the name of what changed last, at the time changed.
	newest  string
	changed tree.Instant
}

func (s *seen) add(name, target string, st tree.Status) {
	fmt.Fprintf(&s.Hash, "%q %q %v\n", name, target, st)
	if s.newest == "" || s.changed.Before(st.Ctime) {
		s.newest, s.changed = name, st.Ctime
	}
}

// visitor is shown what belongs into an archive: by its name in the tree, and by that in the archive.
type visitor interface {
	directory(name, as string, st tree.Status) error
	// link is a link to a directory, of which st is the status.
	link(name, as, target string, st tree.Status) error
	file(ctx context.Context, name, as string) error
}

// walk shows a directory, and all below it.
func (a *Archive) walk(ctx context.Context, v visitor, name, as string) error {
	a.Disk.Enter()
	list, st, err := a.names(name)
	a.Disk.Leave()
	if err != nil {
		return a.leaveOut(name, err)
	}
	defer a.giveNames(list)
	if err := v.directory(name, as, st); err != nil {
		return err
	}
	for _, e := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		below, belowAs := path.Join(name, e.Name), as+"/"+e.Name
		switch {
		case e.Mode.IsDir():
			err = a.walk(ctx, v, below, belowAs)
		case e.Mode&fs.ModeSymlink != 0:
			err = a.walkLink(ctx, v, below, belowAs)
		case e.Mode.IsRegular():
			err = v.file(ctx, below, belowAs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walkLink shows a link to a directory as the link that it is, and one to a file as that file. One that is not followed, or
// leads nowhere, is left out, as it is not served either. So is one to a directory that is not in the archive.
func (a *Archive) walkLink(ctx context.Context, v visitor, name, as string) error {
	a.Disk.Enter()
	st, err := a.Tree.Stat(name)
	target, inside := "", false
	if err == nil && st.Mode.IsDir() {
		target, err = a.target(name)
		inside = err == nil && a.leadsInside(name)
	}
	a.Disk.Leave()
	switch {
	case tree.IsRefused(err):
		a.note("%q is not in the archive, as it is a link that is not followed", name)
		return nil
	case err != nil:
		return nil
	case st.Mode.IsRegular():
		return v.file(ctx, name, as)
	case !st.Mode.IsDir():
		return nil
	case !inside:
		a.note("%q is not in the archive, as it is a link that leads out of it", name)
		return nil
	}
	return v.link(name, as, target, st)
}

// target is where a link leads, as it is written in the link.
func (a *Archive) target(name string) (string, error) {
	d, _, err := a.Tree.OpenDir(path.Dir(name))
	if err != nil {
		return "", err
	}
	defer d.Close()
	return d.Target(path.Base(name))
}

// maxLinks is how many links a name may lead through: MAXSYMLINKS of Linux.
const maxLinks = 40

// leadsInside says whether a link leads to something in the archive, by way of the links that are in it too.
func (a *Archive) leadsInside(link string) bool {
	at, rest := path.Dir(link), []string{path.Base(link)}
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
			continue
		case part == ".." && at == a.Name:
			return false
		case part == "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		st, err := a.Tree.Look(next, false)
		if err != nil || a.Without != nil && a.Without(at, tree.Entry{Name: part, Mode: st.Mode.Type()}) {
			return false
		}
		if st.Mode&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := a.target(next)
		if links++; err != nil || links > maxLinks || strings.HasPrefix(target, "/") {
			return false
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return true
}

// leaveOut decides on what cannot be opened: what is not served is left out, and what was there a moment ago has changed.
func (a *Archive) leaveOut(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) || tree.IsRefused(err) {
		a.note("%q is not in the archive, as it cannot be read", name)
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = message.ErrChanged
	}
	return fmt.Errorf("%q: %w", name, err)
}

func (a *Archive) note(format, name string) {
	if a.leftOut++; a.leftOut <= maxNotes {
		a.Note(fmt.Sprintf(format, name))
	}
}

// looking is a visitor that only looks.
type looking struct {
	a    *Archive
	seen seen
}

func (l *looking) directory(name, _ string, st tree.Status) error {
	l.seen.add(name, "", st)
	return nil
}

func (l *looking) link(name, _, target string, st tree.Status) error {
	l.seen.add(name, target, st)
	return nil
}

func (l *looking) file(_ context.Context, name, _ string) error {
	l.a.Disk.Enter()
	st, err := l.a.Tree.Look(name, true)
	l.a.Disk.Leave()
	if err != nil {
		return fmt.Errorf("%q: %w: %w", name, message.ErrChanged, err)
	}
	l.seen.add(name, "", st)
	return nil
}

// sending is a visitor that writes the archive.
type sending struct {
	looking
	w writer
}

func (s *sending) directory(name, as string, st tree.Status) error {
	s.seen.add(name, "", st)
	return s.w.directory(as, st)
}

func (s *sending) link(name, as, target string, st tree.Status) error {
	s.seen.add(name, target, st)
	return s.w.link(as, target, st)
}

// file writes a file, which has to be there and to stay as it is.
func (s *sending) file(ctx context.Context, name, as string) error {
	s.a.Disk.Enter()
	section, st, err := s.a.Open(ctx, name)
	s.a.Disk.Leave()
	if err != nil {
		if err := s.a.leaveOut(name, err); err != nil {
			return err
		}
		return s.looking.file(ctx, name, as)
	}
	defer section.Close() // it was only read
	s.seen.add(name, "", st)
	to, err := s.w.file(as, section.Length, st)
	if err != nil {
		return err
	}
	if _, err := section.WriteTo(to); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}
