package reload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxID is how many bytes the name of a stream has.
	maxID = 64
	// maxSaid is how many paths and names of files a page may say that it shows: two for each name that is known.
	maxSaid = 2 * maxNames
)

// errEnough ends the reading of what a page says beyond maxSaid.
var errEnough = errors.New("no more is read")

// listening is what a page sends when it begins to listen:
//
//	{"id": "b", "ends": "a", "page": "/", "age": 300, "shows": {"/": {"index.html": "1x2y"}, "/style.css": null}}
type listening struct {
	// id tells streams apart, in the words of the page. ends is the one before, which ends; if listens is not set, that is all.
	id, ends string
	listens  bool
	// page is the path of the page.
	page string
	// shows has the paths of all that the page has loaded, in the order in which it has said them.
	shows []shownPath
	// age is how long ago the page began to load.
	age time.Duration
}

// shownPath is a path, with what the page was told of it: nothing in the beginning.
type shownPath struct {
	path  string
	files []shownFile
}

type shownFile struct {
	name    string
	version version
}

// readingCost is how many bytes are held at most for a request of a length, with what it becomes; the length is -1 where it is
// not known.
func readingCost(length int64) int64 {
	if length < 0 || length > maxRequest {
		length = maxRequest
	}
	return 2*length + min(6*length, maxSaid*128)
}

// readListening reads what a page sends. It takes no more than maxRequest bytes and readTimeout.
func readListening(content io.Reader) (*listening, error) {
	if c, ok := content.(io.Closer); ok {
		defer time.AfterFunc(readTimeout, func() { _ = c.Close() }).Stop()
	}
	l := &listening{}
	d := json.NewDecoder(io.LimitReader(content, maxRequest))
	left := maxSaid
	err := readObject(d, func(key string) error {
		switch key {
		case "id":
			return d.Decode(&l.id)
		case "ends":
			return d.Decode(&l.ends)
		case "page":
			return d.Decode(&l.page)
		case "age":
			var milliseconds float64
			err := d.Decode(&milliseconds)
			l.age = time.Duration(min(max(0, milliseconds), float64(maxAge.Milliseconds()))) * time.Millisecond
			return err
		case "shows":
			l.listens = true
			return readObject(d, func(path string) error { return l.readPath(d, path, &left) })
		}
		var other json.RawMessage
		return d.Decode(&other)
	})
	if len(l.id) > maxID {
		return nil, errors.New("the id is too long")
	}
	if errors.Is(err, errEnough) {
		return l, nil
	}
	return l, err
}

// maxAge is more than any page is old.
const maxAge = 100 * 365 * 24 * time.Hour

// readPath reads what a page was told of a path. left is how many names and paths are still taken.
func (l *listening) readPath(d *json.Decoder, path string, left *int) error {
	part := shownPath{path: path}
	err := readObject(d, func(text string) error {
		var v string
		if err := d.Decode(&v); err != nil {
			return err
		}
		if *left--; *left < 0 {
			return errEnough
		}
		name, err := url.PathUnescape(text)
		shown, err2 := strconv.ParseUint(v, 36, 64)
		if err == nil && err2 == nil && len(name) <= maxPath && fs.ValidPath(name) && len(part.files) < maxFiles {
			part.files = append(part.files, shownFile{name, version(shown)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if *left--; *left < 0 {
		return errEnough
	}
	if len(path) <= maxPath {
		l.shows = append(l.shows, part)
	}
	return nil
}

// readObject reads an object, or null, and calls value with each key of it, to read its value.
func readObject(d *json.Decoder, value func(key string) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("%v in place of an object", t)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := value(key.(string)); err != nil { // the decoder takes nothing else for a key
			return err
		}
	}
	_, err = d.Token()
	return err
}
