package content

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// Form is a kind of page that there is of a directory. Zero is none.
type Form uint8

// Pages are kept as files are. What they are made of, and whether they are true, their maker knows.

// Page returns the page of a directory in a coding that is kept, if isTrue says so of its state.
func (s *Store) Page(d *tree.Directory, name string, form Form, c coding.Coding, isTrue func(*State) bool) (Source, bool) {
	e := s.cache.Get(pageKey(d, name, form, c))
	if e == nil {
		return Source{}, false
	}
	if !isTrue(e.Value) {
		_ = e.Close()
		return Source{}, false
	}
	return Source{e.Value, e}, true
}

// CountPage counts a request for a page that was kept, or was not.
func (s *Store) CountPage(kept bool) {
	if kept {
		s.cache.Hit()
	} else {
		s.cache.Miss()
	}
}

func pageKey(d *tree.Directory, name string, form Form, c coding.Coding) key {
	return key{of: d, name: name, coding: c, made: c != coding.Identity, page: form}
}

// DescribePage makes the state of a page: describe has its description. st is the status of its directory.
func (s *Store) DescribePage(name string, st tree.Status, page []byte, describe func(*State) any) *State {
	state := &State{Name: name, Status: st}
	if !s.opts.Untagged {
		state.Tag = contentTag(sha256.Sum256(page))
	}
	state.Description = describe(state)
	return state
}

// KeepPage keeps a page. beside is how many bytes its description takes. There is none where there is no room.
func (s *Store) KeepPage(d *tree.Directory, form Form, state *State, page []byte, beside int) (Source, bool) {
	e := s.cache.Put(pageKey(d, state.Name, form, state.Coding), state, page, len(state.Name)+beside)
	if e == nil {
		return Source{}, false
	}
	return Source{state, e}, true
}

// PageCoding is the coding in which a page is sent to a client, and whether there is one better than none.
func (s *Store) PageCoding(accepted coding.Accepted) coding.Coding {
	if s.opts.Compress == CompressAuto {
		for _, c := range candidates(nil, accepted, true) {
			if c.made {
				return c.coding
			}
		}
	}
	return coding.Identity
}

// CodePage makes a coding of a page, with what describe makes of it. There is none where the page is short, or does not
// become smaller.
func (s *Store) CodePage(ctx context.Context, page Source, c coding.Coding, describe func(*State) any) (*State, []byte) {
	data, _ := message.InMemory(page.Body)
	if len(data) < minCompressed {
		return nil, nil
	}
	packed, err := s.pack(ctx, c, data)
	if err != nil || len(packed) >= len(data) {
		return nil, nil
	}
	state := &State{Name: page.Name, Coding: c, Status: page.Status, Tag: CodedTag(page.Tag, c)}
	state.Description = describe(state)
	return state, packed
}

// CodedTag is the tag of a content in a coding that is made here: another representation has another one (RFC 9110,
// section 8.8.3.3).
func CodedTag(tag string, c coding.Coding) string {
	if tag == "" {
		return ""
	}
	return tag + "-" + c.String()
}

// Take takes memory for content of answers under way, and says whether there was as much. Give gives it back.
func (s *Store) Take(bytes int64) bool { return s.memory.TryAcquire(bytes) }

// Give gives back what Take took.
func (s *Store) Give(bytes int64) { s.memory.Release(bytes) }

// TakeStream takes the memory of an encoder for Encode. There is none while others have it.
func (s *Store) TakeStream() bool { return s.takeStream() }

// GiveStream gives back what TakeStream took.
func (s *Store) GiveStream() { s.giveStream() }

// IsSettled says whether what was read at a time of a directory with a status cannot change any more without another
// status.
func IsSettled(st tree.Status, read time.Time) bool {
	return st.Size != 0 && isOld(st, read) // in proc, where the times are fictions too, sizes are 0
}

// EncodeTo writes what write writes to w, in a coding.
func EncodeTo(w io.Writer, c coding.Coding, write func(io.Writer) error) error {
	if c == coding.Identity {
		return write(w)
	}
	enc, err := coding.NewStream(c, w)
	if err != nil {
		return err
	}
	if err = write(enc); err != nil {
		return err // without its end
	}
	return enc.Close()
}
