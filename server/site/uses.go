package site

import (
	"path"
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// Which files an answer depends on, for whoever wants to know when it would be another one.

// use tells of a file that was used. st is zero for a name that leads to nothing.
func use(r *message.Request, name string, st tree.Status) {
	if r.Uses != nil {
		r.Uses(message.File{Name: name, State: fileState(st)})
	}
}

const (
	// maxName is how long the name of a file may be: PATH_MAX of Linux.
	maxName = 4096
	// maxUses is how many names a missing one tells of: each costs a look.
	maxUses = 64
)

// useMissing tells of the names that would be another answer than a refusal, if they led to something.
func (s *Site) useMissing(r *message.Request, t *tree.Tree, at reading) {
	if at.name == "" || len(at.name) > maxName {
		return
	}
	names := []string{at.name}
	if at.slash || at.name == "." {
		for _, page := range s.opts.IndexPages {
			names = append(names, path.Join(at.name, page))
		}
	}
	if s.opts.CleanURLs && !s.opts.Exact && at.name != "." {
		names = append(names, at.name+".html")
	}
	if message.IsNavigation(r.Fields) && !s.opts.Exact {
		fallback, _, _ := s.fallback(t)
		names = append(names, fallback)
	}
	if s.opts.ErrorPages && !s.opts.Exact && acceptsHTML(r.Fields) {
		for dir := at.name; dir != "." && len(names) < maxUses; {
			dir = path.Dir(dir)
			names = append(names, path.Join(dir, "404.html"))
		}
	}
	names = names[:min(len(names), maxUses)]
	for _, name := range slices.DeleteFunc(names, func(name string) bool { return strings.IndexByte(name, 0) >= 0 }) {
		st, err := t.Look(name, true)
		if err != nil {
			st = tree.Status{}
		}
		use(r, name, st)
	}
}

// See looks at names below the directory, as those of message.File, in one tree, and tells the state of each. Reserved
// names are seen too.
func (s *Site) See(names []string, seen func(i int, state message.FileState)) {
	disk := s.opts.Content.Disk
	disk.Enter()
	defer disk.Leave()
	t, err := s.directory.Acquire()
	if err != nil {
		for i := range names {
			seen(i, message.FileState{})
		}
		return
	}
	defer t.Release()
	for i, name := range names {
		st, err := t.LookReserved(name)
		if err != nil {
			st = tree.Status{}
		}
		seen(i, fileState(st))
	}
}

func fileState(st tree.Status) message.FileState {
	if st == (tree.Status{}) {
		return message.FileState{}
	}
	return message.FileState{Found: true, Dir: st.Mode.IsDir(), Inode: st.Ino, Size: st.Size,
		Modified: st.Mtime.Time().UnixNano(), Changed: st.Ctime.Time().UnixNano()}
}
