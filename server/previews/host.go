package previews

import (
	"net/netip"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// place is what a host is the name of.
type place int

const (
	elsewhere place = iota // nothing that is here
	overview
	preview
)

// asked is what a request asks for, by its host.
type asked struct {
	place place
	// label is the name of the preview.
	label string
	// base is the name above all previews, to which links lead, and port the one that was asked for, with its colon, "" if
	// none was.
	base, port string
	// host is what was asked for, as it came. named says whether it is a name that has no other meaning than the one here.
	host  string
	named bool
	// scheme and prefix are those of what was asked for, see message.Request.
	scheme, prefix string
	// meant is the same without the dot at its end, where that is here.
	meant string
}

// localhost leads to the client's own machine, and so does all below it (RFC 6761, section 6.3).
const localhost = "localhost"

// ask says what a request asks for. The Host field decides (and :authority, which is the same here), unless it has a name
// that a proxy may have put there. Then what a trusted one says was asked for decides. So nobody is shown one preview by the
// name of another, even where a proxy passes on such a field from its client.
func (p *Previews) ask(r *message.Request) asked {
	a := p.judge(r.Fields.Get("Host"))
	if r.Host != "" && !a.named {
		a = p.judge(r.Host)
	}
	a.scheme, a.prefix = r.Scheme, r.Prefix
	return a
}

// judge says what a host is. A name below the domain or localhost is a preview, whether there is one or not. Addresses show
// the overview, and the names that a Service has in its cluster: they have one label, or the third of them is svc, or the
// second is the namespace. All else is elsewhere: names beyond the domain, and below a preview; names with an empty label;
// and with a dot at the end, which a browser takes for another origin than the same name without.
func (p *Previews) judge(host string) asked {
	a := asked{base: p.base(), host: host}
	if host == "" {
		a.place = overview // HTTP/1.0
		return a
	}
	name, port, ok := message.SplitHost(host)
	if !ok {
		return a
	}
	if port != "" {
		a.port = ":" + port
	}
	if mayBeAddress(name) {
		if _, err := netip.ParseAddr(name); err == nil {
			a.place = overview
			return a
		}
	}
	name, dot := strings.CutSuffix(strings.ToLower(name), ".")
	for _, base := range []string{p.opts.Domain, localhost} {
		label, below := strings.CutSuffix(name, base)
		if below {
			label, below = strings.CutSuffix(label, ".")
		}
		switch {
		case base == "":
			continue
		case name == base:
			a.place, a.base, a.named = overview, base, base != localhost
		case below && isLabel(label):
			a.place, a.base, a.named, a.label = preview, base, true, label
		case below:
			a.base, a.named = base, true
			return a
		default:
			continue
		}
		if dot {
			a.place, a.label, a.meant = elsewhere, "", name+a.port
		}
		return a
	}
	labels := strings.Split(name, ".")
	own := len(labels) == 1 || len(labels) == 2 && labels[1] == p.opts.Namespace || len(labels) > 2 && labels[2] == "svc"
	if own && labels[0] != "" && labels[len(labels)-1] != "" {
		a.place = overview
	}
	return a
}

// mayBeAddress says whether a name has what all addresses have, so that others need not be parsed, and make no error.
func mayBeAddress(name string) bool {
	return name != "" && (name[0] >= '0' && name[0] <= '9' || strings.IndexByte(name, ':') >= 0)
}

// base is the name to which links lead where none was asked for.
func (p *Previews) base() string {
	if p.opts.Domain != "" {
		return p.opts.Domain
	}
	return localhost
}

// url is that of a preview, or of the overview where label is "": with the scheme, the port and the path that were asked for.
func (a asked) url(label string) string {
	name := a.base
	if label != "" {
		name = label + "." + name
	}
	return a.scheme + "://" + name + a.port + a.prefix + "/"
}

// maxLabel is how many bytes a label has (RFC 1035, section 2.3.4).
const maxLabel = 63

// isLabel says whether a name is that of a host, in lower case (RFC 952, RFC 1123).
func isLabel(name string) bool {
	return name != "" && len(name) <= maxLabel && name[0] != '-' && name[len(name)-1] != '-' && strings.IndexFunc(name, notInLabel) < 0
}

func notInLabel(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') }

// slug makes a label of any name, "" where there is none: lower case, - in place of all but 0-9 and a-z, at most 63 bytes,
// and none at the ends. It is what GitLab makes of the name of a branch (CI_COMMIT_REF_SLUG).
func slug(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '-' || notInLabel(r) {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	return strings.Trim(name[:min(len(name), maxLabel)], "-")
}
