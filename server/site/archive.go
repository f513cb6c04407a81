package site

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/archive"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// maxArchives is how many archives are made at the same time, each by one thread.
const maxArchives = 4

// archiveAsked returns the format in which a directory is asked for: ?archive=zip. Any other query is the page's own.
func (s *Site) archiveAsked(target string) (f archive.Format, asked bool) {
	if !s.makesArchives() {
		return f, false
	}
	_, query, _ := strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		if value, found := strings.CutPrefix(pair, "archive="); found {
			return archive.Formats(value)
		}
	}
	return f, false
}

func (s *Site) makesArchives() bool {
	return s.opts.Archives && s.opts.Listing != ListingOff && !s.opts.Exact
}

// sendArchive answers with an archive of a directory, which is made while it is sent.
func (s *Site) sendArchive(ctx context.Context, r *message.Request, name string, format archive.Format) message.Response {
	select {
	case s.archives <- struct{}{}:
	default:
		return busyArchives("Too many archives are being made; try again", nil)
	}
	// The request's own use of the tree ends before the archive does.
	t, err := s.directory.Acquire()
	if err != nil {
		<-s.archives
		return s.refuseAll(err)
	}
	a := &archive.Archive{Format: format, Tree: t, Name: name, Top: s.archiveName(name), Packed: s.isPacked, Without: s.isProgram, Room: s.names.take, Disk: s.opts.Content.Disk,
		Open: func(ctx context.Context, name string) (*message.FileSection, tree.Status, error) {
			return s.content.Section(ctx, t, name)
		},
		Note: func(text string) { r.Notes = append(r.Notes, text) },
	}
	leave := func() {}
	if r.Hold != nil {
		leave = r.Hold()
	}
	free := func() {
		t.Release()
		leave()
		<-s.archives
	}
	if !s.content.Take(archive.Memory) {
		free()
		return busyArchives("There is not enough memory for another archive; try again", nil)
	}
	taken, err := a.Prepare(ctx)
	if err != nil {
		s.content.Give(archive.Memory)
		resp := refuseListing(t, name, err)
		free()
		if archive.IsTooMany(err) {
			return busyArchives("There are too many files for a .zip; ask for a .tar.gz", err)
		}
		return resp
	}
	body := message.NewStream(func(w io.Writer) error { return a.Write(ctx, w) })
	fields := s.unvalidated("Content-type", format.MediaType)
	fields = append(fields, message.Field{Name: "Content-Disposition", Value: attachment(fileName(a.Top, format.Suffix))})
	return message.Response{Status: 200, Fields: fields, Body: &madePage{body, func() {
		s.names.take(-taken)
		s.content.Give(archive.Memory)
		free()
	}}}
}

func busyArchives(explain string, cause error) message.Response {
	resp := busy(explain, cause)
	resp.Fields[0].Value = "10"
	return resp
}

// archiveName is what a directory is called in its archive: by its own name, and the site by that of its directory.
func (s *Site) archiveName(name string) string {
	if name != "." {
		return path.Base(name)
	}
	full, err := s.directory.Path(".")
	if base := path.Base(strings.ReplaceAll(full, "\\", "/")); err == nil && base != "/" && base != "." {
		return base
	}
	return "site"
}

// isProgram says whether an entry of a directory is a program, or a directory of them. Of the top itself only files are.
func (s *Site) isProgram(dir string, e tree.Entry) bool {
	below := "/" + path.Join(dir, e.Name) + "/"
	return slices.ContainsFunc(s.opts.Programs, func(programs string) bool {
		if programs == "/" {
			return dir == "." && !e.Mode.IsDir()
		}
		return strings.HasPrefix(below, strings.TrimSuffix(programs, "/")+"/")
	})
}

// isPacked says whether a file is packed already, by its name.
func (s *Site) isPacked(name string) bool {
	return coding.CompressedName(name) || coding.Compressed(s.types.Of(name).Type)
}

// fileName is a name with a suffix, which is cut to the 255 bytes that file systems take.
func fileName(name, suffix string) string {
	for len(name)+len(suffix) > 255 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + suffix
}

// attachment is the Content-Disposition of a download (RFC 6266): the name in ASCII, and where that is not all of it in UTF-8
// too (RFC 8187).
func attachment(name string) string {
	const hex = "0123456789ABCDEF"
	var plain, full strings.Builder
	same := true
	for _, r := range strings.ToValidUTF8(name, "\ufffd") {
		isPlain := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(" ._-()+,=@", r)
		if !isPlain {
			same = false
			plain.WriteByte('_')
		} else {
			plain.WriteRune(r)
		}
		for _, c := range []byte(string(r)) {
			if isPlain && r != ' ' && !strings.ContainsRune("(),=@", r) {
				full.WriteByte(c)
			} else {
				full.WriteString("%" + hex[c>>4:c>>4+1] + hex[c&15:c&15+1])
			}
		}
	}
	value := `attachment; filename="` + plain.String() + `"`
	if !same {
		value += "; filename*=UTF-8''" + full.String()
	}
	return value
}
