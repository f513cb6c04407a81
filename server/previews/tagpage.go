package previews

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/site/listing"
)

// What the overview tells of tags beyond what it tells of directories.

// tagStyles are those that the overview has beside a listing's: more columns, and what is told of a preview below its name.
const tagStyles = `tbody tr{align-items:start}
tbody th{row-gap:0}
tbody td{padding-top:.3rem}
tbody .to{flex:1 0 100%;padding:0 0 .25rem 2rem;font-size:.9rem}
.tags tr{grid-template-columns:minmax(0,1fr) 6.5rem 5rem 4.5rem 8.5rem 8rem}
@media(max-width:40rem){
tbody td{padding-top:0}
.tags thead{display:none}
.tags tr{display:flex}
.tags td:empty+td{padding-left:0}
}
`

// overviewStyles are those of the overview, and overviewPolicy allows them.
var (
	overviewStyles = listing.Styles + tagStyles
	overviewPolicy = "default-src 'none'; style-src " + listing.Digest(overviewStyles) + "; img-src data:; base-uri 'none'"
)

const tagColumns = `<th scope="col">Size</th><th scope="col">Files</th><th scope="col">Build</th>`

// The annotations that are shown, see the OCI image specification, annotations.md.
const (
	titleLabel    = "org.opencontainers.image.title"
	revisionLabel = "org.opencontainers.image.revision"
	sourceLabel   = "org.opencontainers.image.source"
)

// tagRows are all tags as rows, in no order.
func (p *Previews) tagRows(ctx context.Context) []row {
	n := p.tagNames(ctx)
	byName := make(map[string]*entry, len(n.all))
	for _, e := range n.all {
		byName[e.name] = e
	}
	known := p.tags.Rows()
	rows := make([]row, 0, len(known))
	for i := range known {
		e := byName[known[i].Tag]
		if e == nil { // it came in this moment
			continue
		}
		r := row{entry: e, state: string(known[i].State), at: known[i].Built, reason: text(known[i].Reason), tag: &known[i]}
		switch {
		case e.refused != "":
			r.state, r.reason = refused, e.refused
		case known[i].Build != nil && known[i].State != tags.Fetching:
			r.state = ready
			if r.reason != "" { // what is shown is the build before
				r.reason = "its newest build is not shown: " + r.reason
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// aboutTag is what JSON tells of a tag beside its build.
type aboutTag struct {
	Size   int64             `json:"size,omitempty"`
	Files  int               `json:"files,omitempty"`
	Bytes  int64             `json:"bytes,omitempty"`
	Done   int64             `json:"done,omitempty"`
	Commit string            `json:"commit,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func tellTag(r *tags.Row) aboutTag {
	about := aboutTag{Files: r.Files, Bytes: r.Bytes, Done: r.Done, Size: r.Size}
	if r.Info != nil {
		about.Size, about.Labels = r.Info.Size, r.Info.Labels
		about.Commit, _ = commit(r.Info.Labels)
	}
	return about
}

// buildOfTag is what is told of the build that a tag shows, and of the one that is being fetched.
func buildOfTag(label, tag string, s tags.Shown) any {
	b := struct {
		build
		State  string `json:"state"`
		Reason string `json:"reason,omitempty"`
		Done   int64  `json:"done,omitempty"`
		Size   int64  `json:"size,omitempty"`
	}{build: build{Name: label, Tag: tag}, State: string(s.State), Reason: text(s.Reason), Done: s.Done, Size: s.Size}
	if s.Build != nil {
		b.Digest = s.Build.Digest
		if s.Info != nil && s.Info.Digest == b.Digest && !s.Info.Created.IsZero() {
			b.Time = stamp(s.Info.Created)
		}
	}
	return b
}

// addTitle adds the title of an image.
func addTitle(add func(...string), r *tags.Row) {
	if r.Info != nil && r.Info.Labels[titleLabel] != "" {
		add(` <span class="to"><bdi>`, listing.Escape(text(r.Info.Labels[titleLabel])), "</bdi></span>")
	}
}

// addTag adds the cells of tagColumns.
func addTag(add func(...string), r *tags.Row) {
	size, files := "", ""
	if r.Info != nil && r.Info.Size > 0 {
		size = listing.FormatSize(r.Info.Size)
	}
	if r.Files > 0 {
		files = strconv.Itoa(r.Files) + plural(r.Files, " file")
	}
	add("<td>", size, "</td><td>", files, "</td><td>")
	if r.Digest != "" {
		link, short := "", ""
		if r.Info != nil {
			link, short = commit(r.Info.Labels)
		}
		switch {
		case link != "":
			add(`<a href="`, listing.Escape(link), `" title="`, listing.Escape(r.Digest), `">`, listing.Escape(short), "</a>")
		case short != "":
			add(`<span title="`, listing.Escape(r.Digest), `"><bdi>`, listing.Escape(short), "</bdi></span>")
		default:
			algorithm, hex, _ := strings.Cut(r.Digest, ":")
			add(`<span title="`, listing.Escape(r.Digest), `">`, listing.Escape(algorithm+":"+cut(hex, shortest)), "</span>")
		}
	}
	add("</td>")
}

// addUnreached says since when the registry has not been reached.
func (p *Previews) addUnreached(add func(...string)) {
	if err := p.Reached(); err != nil {
		add("<footer>", listing.Escape(text(err.Error())), "</footer>\n")
	}
}

const (
	// shortest is how many digits of a commit or a digest are shown, longest how many bytes of what is none.
	shortest = 8
	longest  = 16
)

// cut is the beginning of a text, of at most so many bytes.
func cut(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

// commit is the commit that an image was built from: a link to it where its source is a forge whose paths are known, and its
// name in short.
func commit(labels map[string]string) (link, short string) {
	revision := text(labels[revisionLabel])
	isCommit := revision != "" && strings.Trim(revision, "0123456789abcdef") == ""
	if short = cut(revision, longest); isCommit {
		short = cut(revision, shortest)
	}
	source, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(labels[sourceLabel], "/"), ".git"))
	if err != nil || source.Scheme != "https" && source.Scheme != "http" || source.Host == "" || source.User != nil || !isCommit {
		return "", short
	}
	host := strings.ToLower(source.Hostname())
	is := func(name string) bool {
		return host == name+".com" || host == name+".org" || strings.HasPrefix(host, name+".")
	}
	way := ""
	switch {
	case is("github"), is("gitea"), is("forgejo"), is("codeberg"):
		way = "commit"
	case is("gitlab"):
		way = "-/commit"
	case is("bitbucket"):
		way = "commits"
	default:
		return "", short
	}
	source.RawQuery, source.Fragment = "", ""
	return source.JoinPath(way, revision).String(), short
}
