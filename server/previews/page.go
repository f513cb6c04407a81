package previews

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// row is a preview in the overview.
type row struct {
	*entry
	state string
	// at is when the build was made, zero where that is not known. Of a directory it is the later of its time and that of its
	// index page: other files are not looked at, so that the overview costs the same for small builds and large ones.
	at time.Time
	// reason is why it cannot be shown, or why what is shown is not the newest build.
	reason string
	// tag is what is known of a tag; nil for a directory.
	tag *tags.Row
}

// rowSize is about how many bytes a row takes while the overview is sent, of a directory or of a tag. There are as many as were
// known last.
const rowSize = 384

// overview answers with the list of previews: HTML, or JSON to whoever asks for that.
func (p *Previews) overview(ctx context.Context, r *message.Request, a asked) message.Response {
	if resp, refused := onlyRead(r); refused {
		return resp
	}
	if !p.opts.List {
		return (&message.Failure{Status: 404, Message: "File not found"}).Response()
	}
	if message.TargetPath(r.Target) != "/" {
		return p.refuse(a, &message.Failure{Status: 404, Message: "File not found", Explain: "This is the overview of the previews, and has one page"})
	}
	known, _ := p.Counts()
	size := int64(known) * rowSize
	if !p.opts.Budget.TryAcquire(size) {
		return budget.Full()
	}
	rows, refused := p.rows(ctx)
	if refused.Status != 0 {
		p.opts.Budget.Release(size)
		return refused
	}
	fields := message.Fields{{Name: "Content-Type", Value: "text/html; charset=utf-8"}, {Name: "Cache-Control", Value: "no-cache"}, {Name: "Vary", Value: "Accept"}}
	write := func(w *bufio.Writer) { p.writeHTML(w, a, rows) }
	if message.PrefersJSON(r.Fields) {
		fields[0].Value = "application/json"
		write = func(w *bufio.Writer) { writeJSON(w, a, rows) }
	} else {
		fields = append(fields, message.Field{Name: "Content-Security-Policy", Value: overviewPolicy})
	}
	body := message.NewStream(func(to io.Writer) error {
		w := bufio.NewWriter(to)
		write(w)
		return w.Flush() // which has the error of all that was written
	})
	return message.Response{Status: 200, Fields: fields, Body: &lent{body, func() { p.opts.Budget.Release(size) }}}
}

// lent is a message.Body of which the memory is to be given back.
type lent struct {
	message.Body
	give func()
}

// Close gives the memory back.
func (l *lent) Close() error {
	l.give()
	return l.Body.Close()
}

// rows are all previews, the newest first, and those last of which it is not known how old they are; or why there are none.
func (p *Previews) rows(ctx context.Context) (rows []row, refused message.Response) {
	if p.tags != nil {
		rows = p.tagRows(ctx)
	} else {
		if !p.opts.Disk.EnterInTime() {
			return nil, busy(errHangs)
		}
		defer p.opts.Disk.Leave()
		var err error
		if rows, err = p.directoryRows(); err != nil {
			return nil, p.failed(err)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return b.at.Compare(a.at) })
	return rows, refused
}

func (p *Previews) directoryRows() ([]row, error) {
	t, err := p.opts.Directory.Acquire()
	if err != nil {
		return nil, err
	}
	defer t.Release()
	n, err := p.names(t, false)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(n.all))
	for _, e := range n.all {
		r := row{entry: e, reason: e.refused, state: ready}
		if e.refused == "" {
			var there bool
			if r.at, r.reason, there = p.look(t, e.name); !there {
				continue
			}
		}
		if r.reason != "" {
			r.state = refused
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// look says when the build in a directory was made, and why that cannot be shown.
func (p *Previews) look(t *tree.Tree, directory string) (at time.Time, refused string, there bool) {
	st, err := t.Look(directory, true)
	if err != nil {
		return at, "", false
	}
	latest := st.Mtime
	for _, page := range p.opts.IndexPages {
		index, err := t.Look(path.Join(directory, page), false)
		if errors.Is(err, fs.ErrPermission) {
			return at, "the server has no permission to read it", true
		}
		if err == nil {
			if latest.Before(index.Mtime) {
				latest = index.Mtime
			}
			break
		}
	}
	if latest.Sec > firstOfZIP {
		at = latest.Time()
	}
	return at, "", true
}

// firstOfZIP is 1980-01-01, in seconds since 1970. Builds that are to be the same each time have that time, or one before.
const firstOfZIP = 315532800

// stamp is a time as programs read it.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// build is what is told of a build: of a directory, or of a tag.
type build struct {
	Name      string `json:"name"`
	Directory string `json:"directory,omitempty"`
	Tag       string `json:"tag,omitempty"`
	Digest    string `json:"digest,omitempty"`
	Time      string `json:"time,omitempty"`
}

func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts always have a form
	}
	return append(data, '\n')
}

// told is what is told of a row.
type told struct {
	build
	URL    string `json:"url,omitempty"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	aboutTag
}

// The states of a preview.
const (
	ready   = "ready"
	refused = "refused"
)

func writeJSON(w *bufio.Writer, a asked, rows []row) {
	separator := "["
	for _, row := range rows {
		t := told{build: build{Name: row.label}, State: row.state, Reason: row.reason}
		if row.state != refused {
			t.URL = a.url(row.label)
		}
		if !row.at.IsZero() {
			t.Time = stamp(row.at)
		}
		if row.tag != nil {
			t.Tag, t.Digest, t.aboutTag = row.name, row.tag.Digest, tellTag(row.tag)
		} else {
			t.Directory = row.name
		}
		_, _ = w.WriteString(separator + "\n")
		data := asJSON(t)
		_, _ = w.Write(data[:len(data)-1])
		separator = ","
	}
	if len(rows) == 0 {
		_, _ = w.WriteString("[")
	}
	_, _ = w.WriteString("\n]\n")
}

// writeHTML writes the page for people, which looks as listings do. It needs no script.
func (p *Previews) writeHTML(w *bufio.Writer, a asked, rows []row) {
	add := func(texts ...string) {
		for _, text := range texts {
			_, _ = w.WriteString(text)
		}
	}
	add(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Previews</title>
`, listing.Icon, "<style>", overviewStyles, "</style>\n</head>\n<body>\n<header>\n<h1>Previews</h1>\n</header>\n<main>\n")
	if len(rows) == 0 {
		what := "Each directory in DIRECTORY is one"
		if p.tags != nil {
			what = "Each tag of " + p.opts.Repository.Repository + " is one"
		}
		add(`<div class="empty"><p>There are no previews yet.</p><p>`, what, ": pr-42 is shown at ", listing.Escape(a.url("pr-42")), "</p></div>\n</main>\n")
		p.addUnreached(add)
		add("</body>\n</html>\n")
		return
	}
	add(`<div class="bar"><p>`, strconv.Itoa(len(rows)), plural(len(rows), " preview"), ", the newest first</p></div>\n")
	columns := ""
	if p.tags != nil {
		add(`<table class="tags">`)
		columns = tagColumns
	} else {
		add("<table>")
	}
	add("\n", `<thead><tr><th scope="col">Name</th><th scope="col">State</th>`, columns, `<th scope="col">Built</th></tr></thead>`, "\n<tbody>\n")
	now := time.Now()
	for _, row := range rows {
		add(`<tr class="d"><th scope="row">`)
		if row.state != refused {
			add(`<a href="`, listing.Escape(a.url(row.label)), `"><bdi>`, row.label, "</bdi></a>")
			if row.name != row.label {
				add(` <span class="to"><bdi>`, listing.Escape(row.name), "</bdi></span>")
			}
		} else {
			add(`<span class="off"><bdi>`, listing.Escape(row.name), `</bdi></span>`)
		}
		if row.tag != nil {
			addTitle(add, row.tag)
		}
		if row.reason != "" {
			add(` <span class="to">(`, listing.Escape(row.reason), ")</span>")
		}
		add("</th><td>", row.state, "</td>")
		if row.tag != nil {
			addTag(add, row.tag)
		}
		if row.at.IsZero() {
			add("<td></td></tr>\n")
			continue
		}
		add(`<td><time datetime="`, stamp(row.at), `" title="`, row.at.In(p.opts.Zone).Format("2006-01-02 15:04:05 MST"), `">`, age(now.Sub(row.at)), "</time></td></tr>\n")
	}
	add("</tbody>\n</table>\n</main>\n")
	p.addUnreached(add)
	if a.base == localhost && a.place == overview && !strings.HasPrefix(strings.ToLower(a.host), localhost) {
		add("<footer>The links lead to localhost, which is the machine with the browser. For others, set PREVIEWS_DOMAIN.</footer>\n")
	}
	add("</body>\n</html>\n")
}

// age is how long ago something was, for people.
func age(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, " day"}, {time.Hour, " hour"}, {time.Minute, " minute"}} {
		if n := int(d / unit.length); n > 0 {
			return strconv.Itoa(n) + plural(n, unit.name) + " ago"
		}
	}
	return "just now"
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
