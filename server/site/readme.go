package site

import (
	"context"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
)

// readmes are the files whose text is shown below the names of a directory, in lower case; the first one that there is.
var readmes = [...]string{"readme.md", "readme.txt", "readme", "index.md"}

// maxReadme is how many bytes of text are shown.
const maxReadme = 128 << 10

// addReadme adds the text of the readme, if there is one that is text in UTF-8 and not too long.
func (s *Site) addReadme(ctx context.Context, key sharedKey, names *shared) {
	best := len(readmes)
	for _, e := range names.dir.Entries {
		if len(e.Name) > len("readme.txt") {
			continue
		}
		if rank := slices.Index(readmes[:best], strings.ToLower(e.Name)); rank >= 0 {
			best, names.readme = rank, e.Name
		}
	}
	if names.readme == "" {
		return
	}
	name := path.Join(key.name, names.readme)
	st, found := lookFile(key.tree, name)
	if found && st.Size <= maxReadme {
		if src, err := s.content.Get(ctx, key.tree, name, st, content.Accepts{}); err == nil {
			defer src.Close()
			if data, inMemory := message.InMemory(src.Body); inMemory && len(data) <= maxReadme && utf8.Valid(data) && s.names.take(int64(len(data))) {
				names.text = strings.TrimPrefix(string(data), "\ufeff")
				free := names.free
				names.free = func() { free(); s.names.take(-int64(len(data))) }
			}
		}
	}
	if names.text == "" {
		names.readme = ""
	}
}
