package site

import (
	"errors"
	"io/fs"
)

// view is the directory as one request sees it. It is not asked which directory that is before something in it
// has to be opened: an answer from memory opens nothing.
type view struct {
	site *Site
	// tree is nil until it is needed, err what then went wrong.
	tree *sharedTree
	err  error
}

// opened returns the tree that Directory named when it was first needed. The view gives it back.
func (v *view) opened() (*sharedTree, error) {
	if v.tree == nil && v.err == nil {
		v.tree, v.err = v.site.acquire()
	}
	return v.tree, v.err
}

func (v *view) close() {
	if v.tree != nil {
		v.tree.release()
	}
}

// look is that of a tree. As long as none is needed it is one stat, of Directory's path and the name after it.
//
// That is as good as to ask first whether Directory is still what is open, and then for the name in there, as
// links are followed wherever they lead in both. What makes a kept content true is the status alone: device,
// inode and ctime are those of the file that was opened by this name, within the confinement, and unchanged
// since. Through which directory the name leads to it now makes no difference. Everything that is not kept is
// opened in the tree, which is asked for later than this look, and so is no older.
func (v *view) look(name string, follow bool) (status, error) {
	if t := v.site.current.Load(); v.tree == nil && t != nil {
		var kept *status
		if res, found := v.site.cache.Peek(key{name: name}); found {
			kept = &res.st
		}
		if st, err := t.lookByPath(name, follow, kept); err == nil || errors.Is(err, fs.ErrNotExist) {
			return st, err
		}
	}
	t, err := v.opened()
	if err != nil {
		return status{}, err
	}
	return t.look(name, follow)
}

// open is that of a tree.
func (v *view) open(name string) (file, status, error) {
	t, err := v.opened()
	if err != nil {
		return noFile, status{}, err
	}
	return t.open(name)
}

// stat is that of a tree.
func (v *view) stat(name string) (status, error) {
	t, err := v.opened()
	if err != nil {
		return status{}, err
	}
	return t.stat(name)
}
