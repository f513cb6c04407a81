package service

import (
	"errors"
	"strings"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/cgi"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/site"
)

// siteRules are the rules that the site brings; nil where they are not obeyed.
type siteRules struct{ rules *rules.Rules }

// filesAndScripts is the site with its scripts: what follows the name of one in a path is the script's, so that a rule
// for all that is not found leaves it alone.
type filesAndScripts struct {
	*site.Site
	scripts *cgi.Handler // nil without CGI
}

func (f filesAndScripts) Find(target string) (path string, found bool) {
	if f.scripts != nil {
		if path, found := f.scripts.Find(target); found {
			return path, true
		}
	}
	return f.Site.Find(target)
}

func newSiteRules(c config.Config, files *site.Site, scripts *scripts, upstreams *upstreams, warn func(problem string)) *siteRules {
	if !obeysRules(c) {
		return nil
	}
	opts := rules.Options{Site: filesAndScripts{files, scripts.handler}, Report: func(problems []rules.Problem) {
		for _, p := range problems {
			warn(p.String())
		}
	}}
	if upstreams != nil {
		opts.Origins, opts.Fetch = c.ProxyOrigins, upstreams.Fetch
	}
	return &siteRules{rules.New(opts)}
}

func obeysRules(c config.Config) bool { return c.Rules && !c.Exact }

// reservedNames are those of the files that are obeyed in place of being served, and of compressed copies, which some
// builds make of all files.
func reservedNames(c config.Config) []string {
	if !obeysRules(c) {
		return nil
	}
	var names []string
	for _, suffix := range []string{"", ".br", ".gz", ".zst"} {
		names = append(names, rules.RedirectsFile+suffix, rules.HeadersFile+suffix)
	}
	return names
}

// handler puts the rules before the handler of the site.
func (s *siteRules) handler(next message.Handler) message.Handler {
	if s == nil {
		return next
	}
	return s.rules.Handler(next)
}

// checks shows what is wrong with the files on /healthz.
func (s *siteRules) checks() []metrics.Check {
	if s == nil {
		return nil
	}
	return []metrics.Check{{Name: "rules", HealthOnly: true, Warning: true, Probe: func() error {
		var lines []string
		for _, p := range s.rules.Problems() {
			lines = append(lines, p.String())
		}
		if lines == nil {
			return nil
		}
		return errors.New(strings.Join(lines, "\n"))
	}}}
}
