package content

import (
	"context"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// sent is a state of a file that is sent from the disk. Before the last bytes leave, the file has to show that all of
// them are this state's.
type sent struct {
	ctx   context.Context // of the request
	store *Store
	f     tree.File
	st    tree.Status
	// rested says whether the file had not changed for long enough with that status.
	rested bool
	// isElsewhere says whether the name that was asked for has come to lead to another file, or to none.
	isElsewhere func() bool
	// seen is what was read of that state, nil if the file is not one that may grow.
	seen *evidence
}

// begin reads what is going to be sent of a file that may grow, which may be long: it ends when the client has gone.
func (w *sent) begin(offset, length int64) error {
	if w.seen == nil {
		return nil
	}
	return w.seen.add(w.ctx, offset, length, w.store.opts.Disk)
}

// unchanged is message.ErrChanged unless what was sent is known to be the bytes of the state.
func (w *sent) unchanged() error {
	now, err := w.f.Status()
	if err != nil {
		return err
	}
	same := w.isSame(now)
	if !same && w.seen != nil && now.Size > w.st.Size {
		same, err = w.seen.stands(w.store.opts.Disk)
	}
	if err == nil && !same {
		err = message.ErrChanged
	}
	return err
}

// isSame says whether the status of the file shows that nothing was written to it.
//
// A write moves mtime and ctime. Who sets the mtime back afterwards moves the ctime again, so that one that has moved
// alone may stand for other bytes. It is harmless only where something else that moves it has been done to the file: it
// got or lost a name (a new version was renamed over it, or it was removed), another mode or another owner, or its name
// was taken from it (a rename keeps the number of names). Where both were done, a write that was hidden so and one of
// these, they cannot be told apart. What leaves no trace is not taken for an explanation: a chmod that was undone, a
// rename back, an attribute beside the file (setxattr).
func (w *sent) isSame(now tree.Status) bool {
	st := w.st
	if now.Size != st.Size || now.Mtime != st.Mtime {
		return false
	}
	if now.Ctime != st.Ctime {
		explained := now.Links != st.Links || now.Mode != st.Mode || now.UID != st.UID || now.GID != st.GID || w.isElsewhere()
		if !explained {
			return false
		}
	}
	// A file that was sent before it had come to rest may have been written to with the status that it had.
	return w.rested || unrest(w.f, st, w.store.now()) == 0
}
