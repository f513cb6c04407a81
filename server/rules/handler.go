package rules

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Site is what the handler needs to know of the site that it surrounds.
type Site interface {
	// Find returns the path of the file that answers a target, decoded: /docs/index.html for /docs/, and for /docs; with
	// clean URLs /page.html for /page. A directory without an index page has none.
	Find(target string) (path string, found bool)
	// Look reads a file at the top of the site, up to limit bytes. version is another one whenever content may be, and empty where there is
	// no file; the content is not read where the version is the one that was seen.
	Look(name, seen string, limit int64) (content []byte, version string, err error)
}

// Options says which site has rules.
type Options struct {
	Site Site
	// Report gets the problems of a file whenever it has changed. It may be nil.
	Report func([]Problem)
	// Origins are those of other servers that rules may fetch from, by Fetch. There may be none.
	Origins []string
	// Fetch answers by another server. fetched is false where it does not know the origin.
	Fetch func(ctx context.Context, r *message.Request, origin, target string) (resp message.Response, fetched bool)
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// Rules are those that the files of a site hold now.
type Rules struct {
	opts    Options
	looking message.Gate // one is inside while current is replaced
	current atomic.Pointer[rules]
}

// rules are what the files held when they were looked at. They do not change.
type rules struct {
	looked    time.Time
	redirects *Redirects
	headers   *Headers
	files     [2]file
}

// file is one of the two files.
type file struct {
	version  string
	sum      [sha256.Size]byte // of its content
	problems []Problem
	// unread is set while the file cannot be read.
	unread *Problem
}

// New returns the rules of a site. The files are looked at when there is a request.
func New(opts Options) *Rules {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Report == nil {
		opts.Report = func([]Problem) {}
	}
	return &Rules{opts: opts, looking: message.NewGate(1)}
}

// Problems are those of the files as they are now.
func (rs *Rules) Problems() []Problem {
	now, inTime := rs.look()
	if !inTime {
		return []Problem{{RedirectsFile, 0, "it cannot be read: " + errHangs.Error(), true}}
	}
	var list []Problem
	for _, f := range now.files {
		list = append(list, f.problems...)
		if f.unread != nil {
			list = append(list, *f.unread)
		}
	}
	return list
}

// errHangs is why the rules cannot be looked at in time.
var errHangs = errors.New("the file system of the directory does not answer")

// look returns the rules, which were looked at within MaxAge; or that a look takes too long, as on a mount that hangs.
func (rs *Rules) look() (now *rules, inTime bool) {
	if now := rs.current.Load(); now != nil && rs.opts.Now().Sub(now.looked) < MaxAge {
		return now, true
	}
	if !rs.looking.EnterInTime() {
		return nil, false
	}
	defer rs.looking.Leave()
	old, began := rs.current.Load(), rs.opts.Now()
	if old != nil && began.Sub(old.looked) < MaxAge {
		return old, true
	}
	now = &rules{redirects: &Redirects{}, headers: &Headers{}}
	if old != nil {
		*now = *old
	}
	now.looked = began
	rs.read(RedirectsFile, &now.files[0], func(content []byte) (problems []Problem) {
		now.redirects, problems = ParseRedirects(content, rs.opts.Origins...)
		return problems
	})
	rs.read(HeadersFile, &now.files[1], func(content []byte) (problems []Problem) {
		now.headers, problems = ParseHeaders(content)
		return problems
	})
	rs.current.Store(now)
	return now, true
}

// read looks at one file. One that cannot be read leaves the rules as they were.
func (rs *Rules) read(name string, f *file, parse func([]byte) []Problem) {
	content, version, err := rs.opts.Site.Look(name, f.version, MaxFile+1)
	if err != nil {
		problem := Problem{name, 0, "it cannot be read: " + err.Error(), true}
		if f.unread == nil || *f.unread != problem {
			f.unread = &problem
			rs.opts.Report([]Problem{problem})
		}
		return
	}
	f.unread = nil
	if version == f.version {
		return
	}
	sum := sha256.Sum256(content)
	if f.version != "" && version != "" && sum == f.sum { // the version may be another one for the same content
		f.version = version
		return
	}
	*f = file{version: version, sum: sum, problems: parse(content)}
	if len(f.problems) > 0 {
		rs.opts.Report(f.problems)
	}
}

// Handler puts the rules around the handler of the site.
func (rs *Rules) Handler(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		now, inTime := rs.look()
		if !inTime {
			resp := (&message.Failure{Status: 503, Explain: "The files of this site cannot be read now", Cause: errHangs}).Response()
			resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
			return resp
		}
		if len(now.redirects.rules) == 0 && len(now.headers.blocks) == 0 {
			return next(ctx, r)
		}
		asked := Asked{Scheme: r.Scheme, Host: r.Fields.Get("Host"), Target: r.Target, Fields: r.Fields}
		outcome, matched := now.redirects.Match(asked, func() bool {
			_, found := rs.opts.Site.Find(r.Target)
			return found
		})
		var resp message.Response
		switch {
		case !matched:
			resp = rs.answer(ctx, r, next, r.Target, now.headers.combine(now.blocks(asked.Host, r.Target, rs.opts.Site)))
		case outcome.Kind == Moved:
			resp = redirect(outcome, now.headers.For(asked.Host, r.Target))
		case outcome.Kind == Proxied:
			var fetched bool
			if resp, fetched = rs.opts.Fetch(ctx, r, outcome.Origin, outcome.Target); !fetched {
				return message.Fail(502, "")
			}
			resp = via(resp, outcome) // its fields are its own
		default:
			resp = rs.rewrite(ctx, r, next, outcome, now)
		}
		if outcome.Vary != "" {
			resp.Fields = append(slices.Clone(resp.Fields), message.Field{Name: "Vary", Value: outcome.Vary})
		}
		return resp
	}
}

// blocks returns the blocks of _headers for what is served: those of its path, and where a clean URL is served by a page those
// of the page, in the order of the file.
func (now *rules) blocks(host, target string, site Site) []applied {
	own := now.headers.matching(host, target)
	raw, _ := splitTarget(target)
	if len(now.headers.blocks) == 0 || raw == "/" || strings.HasSuffix(raw, ".html") || !now.headers.pages && !strings.HasSuffix(raw, "/") {
		return own
	}
	page := strings.TrimSuffix(raw, "/") + ".html"
	both := behind(own, now.headers.matching(host, page))
	if len(both) == len(own) {
		return own
	}
	asked, _ := parsePath(page)
	if served, found := site.Find(target); !found || served != asked.text {
		return own
	}
	slices.SortFunc(both, func(a, b applied) int { return a.block - b.block })
	return both
}

// answer asks the site for a target, and puts the fields into its answer.
func (rs *Rules) answer(ctx context.Context, r *message.Request, next message.Handler, to string, fields *Fields) message.Response {
	if fields == nil && to == r.Target {
		return next(ctx, r)
	}
	target, fieldsAsked, variant := r.Target, r.Fields, r.Variant
	r.Target = to
	if fields != nil {
		fields.ask(r)
	}
	resp := next(ctx, r)
	r.Target, r.Fields, r.Variant = target, fieldsAsked, variant
	if fields != nil {
		fields.apply(&resp)
	}
	return resp
}

// redirect answers with a Location. One that is a path is the site's; whoever serves the site below another completes it. Clients may keep a 301 for ever (RFC 9110, section 15.4.2), but the rule may be mended.
func redirect(o Outcome, fields *Fields) message.Response {
	resp := message.Response{Status: o.Status, Fields: message.Fields{{Name: "Location", Value: o.Location}, {Name: "Cache-Control", Value: "no-cache"}}}
	if fields != nil {
		fields.apply(&resp)
	}
	return via(resp, o)
}

// rewrite answers with another file of the site: its fields are those of the file's path, then those of the path that was
// asked for.
func (rs *Rules) rewrite(ctx context.Context, r *message.Request, next message.Handler, o Outcome, now *rules) message.Response {
	host, site := r.Fields.Get("Host"), rs.opts.Site
	target, query := splitTarget(o.Target)
	fields := now.headers.combine(behind(now.blocks(host, target, site), now.headers.matching(host, r.Target)))
	if file, found := site.Find(target); found {
		target = encode(strings.ReplaceAll(file, "%", "%25"), inPath)
	} else if !strings.HasSuffix(target, "/") {
		target += "/" // a directory is listed as what was asked for
	}
	if query != "" {
		target += "?" + query
	}
	if o.Status == 200 {
		return via(rs.answer(ctx, r, next, target, fields), o)
	}
	had := r.Fields
	r.Fields = unconditional(r.Fields)
	resp := rs.answer(ctx, r, next, target, nil)
	r.Fields = had
	if resp.Status == 200 {
		resp.Status = o.Status
		resp.Fields = slices.DeleteFunc(slices.Clone(resp.Fields), func(f message.Field) bool {
			return strings.EqualFold(f.Name, "ETag") || strings.EqualFold(f.Name, "Last-Modified") || strings.EqualFold(f.Name, "Accept-Ranges")
		})
	} else if resp.Status < 500 && resp.Status != 405 {
		resp.Discard()
		resp = message.Fail(o.Status, "")
	}
	if fields != nil {
		fields.apply(&resp)
	}
	return via(resp, o)
}

// unconditional leaves out what asks for less than the whole: an error has no validators and no ranges.
func unconditional(fields message.Fields) message.Fields {
	return slices.DeleteFunc(slices.Clone(fields), func(f message.Field) bool {
		return len(f.Name) > 3 && strings.EqualFold(f.Name[:3], "If-") || strings.EqualFold(f.Name, "Range")
	})
}

// via says which rule has answered.
func via(resp message.Response, o Outcome) message.Response {
	resp.Via = RedirectsFile + ":" + strconv.Itoa(o.Rule.Line)
	return resp
}
