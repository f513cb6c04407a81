package rules

import (
	"math"
	"strconv"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Kind is what a rule makes of a request.
type Kind int

const (
	// Moved is a redirect to Outcome.Location.
	Moved Kind = iota + 1
	// Rewritten is the answer to Outcome.Target, another target of the site, in place of what was asked for; with the
	// rule's status where that is not 200.
	Rewritten
	// Proxied is the answer of another server, at Outcome.Origin, to Outcome.Target.
	Proxied
)

// Outcome is what the first rule that matches says.
type Outcome struct {
	Kind   Kind
	Status int
	// Location is where a redirect leads: a URL, or a path of the site if OnSite.
	Location string
	OnSite   bool
	// Target is what of the site is sent, or what another server is asked for, encoded.
	Target string
	Origin string
	Rule   *Redirect
	// Vary is what the answer depends on beside the URL, also where no rule matches: a field value, or empty.
	Vary string
}

// Asked is a request as rules see it.
type Asked struct {
	// Scheme is http or https; Host may have a port.
	Scheme, Host string
	// Target is the path below the site's base, and the query.
	Target string
	Fields message.Fields
}

func splitTarget(target string) (path, query string) {
	target, _, _ = strings.Cut(target, "#")
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// Match returns what the first rule that matches says, if there is one. exists says whether the site has a file for the
// request; it is only asked where a rule that is not forced matches.
func (rs *Redirects) Match(a Asked, exists func() bool) (Outcome, bool) {
	raw, query := splitTarget(a.Target)
	asked, ok := parsePath(raw)
	if !ok || len(rs.rules) == 0 {
		return Outcome{}, false
	}
	var few [16]int
	list := rs.index.find(few[:0], asked.text, query)
	if len(list) == 0 {
		return Outcome{}, false
	}
	known, there := false, false
	asking := values{text: query}
	vary := ""
	for _, loosely := range [...]bool{false, true} {
		for i, number := range list {
			if number < 0 {
				continue
			}
			rule := &rs.rules[number]
			match := rule.from.match
			if loosely {
				match = rule.from.matchLoosely
			}
			spans, ok := match(asked.text)
			if !ok {
				continue
			}
			list[i] = -1
			captures, ok := rule.matchRest(a, asked, &asking, spans)
			if !ok {
				continue
			}
			if !rule.Forced {
				if !known {
					known, there = true, exists()
				}
				if there {
					continue
				}
			}
			vary = rule.varies(vary)
			if !rule.applies(a.Fields) {
				continue
			}
			if outcome, ok := rule.outcome(a, asked, query, captures); ok {
				outcome.Vary = vary
				return outcome, true
			}
		}
	}
	return Outcome{Vary: vary}, false
}

// matchRest compares host and query with a rule whose path matches, and returns all that its names have captured.
func (r *Redirect) matchRest(a Asked, asked path, query *values, spans []span) ([]capture, bool) {
	captures, ok := r.from.matchHost(a.Host)
	if !ok {
		return nil, false
	}
	return r.matchQuery(r.from.captures(captures, asked, spans), query)
}

// outcome says what a rule that matches makes of a request; ok is false where its target is none.
func (r *Redirect) outcome(a Asked, asked path, query string, captures []capture) (o Outcome, ok bool) {
	to, ok := r.to.expand(captures, query, r.to.origin != nil && !isRedirect(r.Status))
	if !ok || leadsToItself(to, a, asked, query) {
		return o, false
	}
	o = Outcome{Kind: Rewritten, Status: r.Status, Target: to.target(), Rule: r}
	switch {
	case isRedirect(r.Status):
		o = Outcome{Kind: Moved, Status: r.Status, Location: to.String(), OnSite: to.origin == "", Rule: r}
	case to.origin != "":
		o.Kind, o.Origin = Proxied, to.origin
	}
	return o, true
}

// leadsToItself says whether a target is what was asked for.
func leadsToItself(to reference, a Asked, asked path, query string) bool {
	there, ok := parsePath(to.path)
	if !ok || there.text != asked.text || decode(to.query) != decode(query) {
		return false
	}
	if to.origin == "" {
		return true
	}
	scheme, host, _ := strings.Cut(to.origin, "//")
	return (scheme == "" || scheme == a.Scheme+":") && strings.EqualFold(host, a.Host)
}

// values are those of a query by name, decoded, read when they are asked for. Where a name is repeated the last one counts.
type values struct {
	text   string
	byName map[string]string
}

// get returns the value of a name as it came.
func (q *values) get(name string) (value string, found bool) {
	if q.byName == nil {
		q.byName = map[string]string{}
		for pair := range strings.SplitSeq(q.text, "&") {
			if name, value, isPair := strings.Cut(pair, "="); isPair {
				q.byName[decode(name)] = value
			}
		}
	}
	value, found = q.byName[name]
	return value, found
}

// matchQuery wants every pair of the rule in the query, and adds what its placeholders capture.
func (r *Redirect) matchQuery(captures []capture, query *values) ([]capture, bool) {
	for _, wanted := range r.query {
		value, found := query.get(decode(wanted.name))
		if !found || !wanted.placeholder && decode(value) != decode(wanted.value) {
			return captures, false
		}
		if wanted.placeholder {
			captures = append(captures, capture{wanted.value, value})
		}
	}
	return captures, true
}

// byLanguage is what a rule with the condition Language depends on, see language.
const byLanguage = "Accept-Language, Cookie"

// varies adds what the conditions of a rule depend on.
func (r *Redirect) varies(vary string) string {
	for _, c := range r.conditions {
		if strings.EqualFold(c.name, "Language") {
			return byLanguage
		}
		if vary == "" {
			vary = "Cookie"
		}
	}
	return vary
}

// applies says whether the conditions of a rule hold.
func (r *Redirect) applies(fields message.Fields) bool {
	for _, c := range r.conditions {
		if strings.EqualFold(c.name, "Language") {
			if !speaks(language(fields), c.values) {
				return false
			}
		} else if !hasCookie(fields, c.values) {
			return false
		}
	}
	return true
}

// language is the language that a client likes best, in small letters. A cookie nf_lang overrules it, as in Netlify's own
// preview server, and one that says nothing likes English, as there.
func language(fields message.Fields) string {
	if chosen, found := cookie(fields, "nf_lang"); found && chosen != "" {
		return strings.ToLower(chosen)
	}
	best, weight := "en", 0.0
	for item := range strings.SplitSeq(strings.Join(fields.Values("Accept-Language"), ","), ",") {
		tag, parameter, _ := strings.Cut(item, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		q := 1.0
		if text, found := strings.CutPrefix(strings.TrimSpace(parameter), "q="); found {
			parsed, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(parsed) {
				continue
			}
			q = parsed
		}
		if tag != "" && tag != "*" && q > weight {
			best, weight = tag, q
		}
	}
	return best
}

// speaks says whether a language is one of values, or a kind of one: de-at is de.
func speaks(language string, values []string) bool {
	for _, v := range values {
		v = strings.ToLower(v)
		if language == v || v != "" && strings.HasPrefix(language, v+"-") {
			return true
		}
	}
	return false
}

// hasCookie says whether the client sends one of the cookies.
func hasCookie(fields message.Fields, names []string) bool {
	for _, name := range names {
		if _, found := cookie(fields, name); found {
			return true
		}
	}
	return false
}

func cookie(fields message.Fields, name string) (value string, found bool) {
	for _, line := range fields.Values("Cookie") {
		for item := range strings.SplitSeq(line, ";") {
			if n, v, isPair := strings.Cut(strings.TrimSpace(item), "="); isPair && n == name {
				return v, true
			}
		}
	}
	return "", false
}
