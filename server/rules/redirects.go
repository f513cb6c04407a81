package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Redirect is a rule of _redirects.
type Redirect struct {
	// Line is where it stands, from 1.
	Line int
	// Status is that of the answer: one of a redirect, 200 for another file of the site, or what another server answers, in
	// place of what was asked for, or the status with which that file is sent.
	Status int
	// Forced is set by !: the rule applies where there is a file, too.
	Forced bool

	from       *pattern
	query      []pair
	to         target
	toText     string
	conditions []condition
	// never says why the rule is not obeyed; it is empty for one that is.
	never string
}

// pair is something that has to stand in the query: name=value, or name=:placeholder.
type pair struct {
	name, value string
	placeholder bool
}

func (p pair) String() string {
	if p.placeholder {
		return p.name + "=:" + p.value
	}
	return p.name + "=" + p.value
}

// condition is a word like Language=de,fr behind the status.
type condition struct {
	name, text string
	values     []string
}

// String is the rule as a line that means the same.
func (r *Redirect) String() string {
	words := []string{r.from.text}
	for _, p := range r.query {
		words = append(words, p.String())
	}
	status := strconv.Itoa(r.Status)
	if r.Forced {
		status += "!"
	}
	words = append(words, r.toText, status)
	for _, c := range r.conditions {
		words = append(words, c.name+"="+c.text)
	}
	return strings.Join(words, " ")
}

// Redirects are the rules of a _redirects file.
type Redirects struct {
	rules []Redirect
	index index
}

// All returns the rules in the order of the file. They are not to be changed.
func (r *Redirects) All() []Redirect { return r.rules }

// ParseRedirects reads a _redirects file. What a line has wrong never hides another line. origins are those of other
// servers that rules with the status 200 may fetch from.
func ParseRedirects(content []byte, origins ...string) (*Redirects, []Problem) {
	rs := &Redirects{}
	report := &report{file: RedirectsFile}
	full := false
	report.lines(content, func(line string) {
		if len(rs.rules) == MaxRules {
			if !full {
				report.fail("there are more than %d rules, this one and the rest are not obeyed", MaxRules)
			}
			full = true
			return
		}
		if hasControl(line) {
			report.fail("%q has a control character in it", line)
			return
		}
		rule, err := parseRedirect(line, origins, report)
		if err != nil {
			report.fail("%v", err)
			return
		}
		rs.rules = append(rs.rules, rule)
		if rule.never != "" {
			return
		}
		wanted := ""
		for _, p := range rule.query {
			if !p.placeholder {
				wanted = decode(p.name) + "=" + decode(p.value)
				break
			}
		}
		rs.index.add(len(rs.rules)-1, rule.from, wanted)
	})
	return rs, report.problems
}

// parseRedirect reads a line: from, pairs of a query, to, status, conditions.
func parseRedirect(line string, origins []string, report *report) (Redirect, error) {
	r := Redirect{Line: report.line, Status: 302}
	words := strings.FieldsFunc(line, isBlank)
	if i := slices.IndexFunc(words, func(w string) bool { return w[0] == '#' }); i >= 0 {
		words = words[:i]
	}
	if len(words) < 2 {
		return r, fmt.Errorf("%q has no target: a rule must be like /from /to 301", line)
	}
	from, rest := words[0], words[1:]
	to := slices.IndexFunc(rest, func(w string) bool { return w[0] == '/' || isHTTP(w) })
	if to < 0 {
		return r, fmt.Errorf("%q has no target that begins with /, http:// or https://", line)
	}
	if err := r.parseFrom(from, report); err != nil {
		return r, fmt.Errorf("%q: %w", from, err)
	}
	names := slices.Clone(r.from.names)
	if r.from.host != nil {
		names = append(names, r.from.host.names...)
	}
	for _, word := range rest[:to] {
		name, value, isPair := strings.Cut(word, "=")
		if !isPair || name == "" {
			report.warn("%q between the two paths must be a pair of a query, such as id=:id", word)
			continue
		}
		p := pair{name: name, value: value}
		if placeholder, found := strings.CutPrefix(value, ":"); found && placeholder != "" && nameAt(placeholder) == placeholder {
			if contains(names, placeholder) {
				return r, fmt.Errorf("%q stands twice", ":"+placeholder)
			}
			p.value, p.placeholder = placeholder, true
			names = append(names, placeholder)
		}
		r.query = append(r.query, p)
	}
	var err error
	r.toText = rest[to]
	if r.to, err = parseTarget(r.toText, names); err != nil {
		return r, fmt.Errorf("%q: %w", r.toText, err)
	}
	if badEscape(r.toText) {
		report.warn("%q has a %% that begins no escape, it is taken as it stands; %%25 says so", r.toText)
	}
	rest = rest[to+1:]
	if len(rest) > 0 {
		if err := r.parseStatus(rest[0], report); err != nil {
			return r, err
		}
		r.parseConditions(rest[min(1, len(rest)):], report)
	}
	if r.never == "" && !isRedirect(r.Status) && len(r.to.origin) > 0 && !r.mayFetch(origins) {
		r.never = "proxy"
		report.warn("%q is on another host, from which nothing is fetched: the rule is ignored; with the status 200, %s", r.toText,
			"PROXY_ORIGINS can allow http and https origins without placeholders")
	}
	return r, nil
}

// mayFetch says whether a rule for another host fetches from one of origins, whatever the request.
func (r *Redirect) mayFetch(origins []string) bool {
	if r.Status != 200 || !r.to.origin.isFixed() {
		return false
	}
	own, _ := r.to.origin.expand(nil, nil)
	return slices.ContainsFunc(origins, func(origin string) bool { return strings.EqualFold(withPort(origin), withPort(own)) })
}

// withPort completes an origin by the usual port of its scheme.
func withPort(origin string) string {
	if colon := strings.LastIndexByte(origin, ':'); colon > strings.LastIndexAny(origin, "/]") {
		return origin
	}
	if len(origin) > 5 && strings.EqualFold(origin[:5], "https") {
		return origin + ":443"
	}
	return origin + ":80"
}

// parseFrom reads the left side.
func (r *Redirect) parseFrom(from string, report *report) (err error) {
	if !isHTTP(from) && from[0] != '/' {
		from = "/" + from
	}
	if i := strings.IndexByte(from, '?'); i >= 0 {
		report.warn("the query of %q is left out; pairs that a query must have stand behind the path: id=:id", from)
		from = from[:i]
	}
	if badEscape(from) {
		report.warn("%q has a %% that begins no escape, it is taken as it stands; %%25 says so", from)
	}
	if strings.Count(from, "*") > 1 {
		report.warn("%q has more than one *, the first is a splat, a further one only itself", from)
	}
	r.from, err = parsePattern(from, true)
	return err
}

func isRedirect(status int) bool {
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308
}

// parseStatus reads a status and what forces it.
func (r *Redirect) parseStatus(word string, report *report) error {
	if word == "!" {
		report.warn("%q must stand behind a status, such as 302!", word)
		return nil
	}
	digits, forced := strings.CutSuffix(word, "!")
	status, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil && strings.Contains(word, "="):
		return fmt.Errorf("%q stands where the status must be, as in /from /to 302 %s", word, word)
	case err != nil:
		return fmt.Errorf("%q must be a status: 200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451 or 500 to 599, with or without an exclamation mark", word)
	case !isRedirect(int(status)) && status != 200 && status != 401 && status != 403 && status != 404 && status != 410 &&
		status != 451 && (status < 500 || status > 599):
		return fmt.Errorf("status %d is not for a rule: it must be 200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451 or 500 to 599", status)
	}
	r.Status, r.Forced = int(status), forced
	return nil
}

// parseConditions reads what stands behind the status. Who asks from which country, and with which role, is not known
// here: such a rule never applies.
func (r *Redirect) parseConditions(words []string, report *report) {
	for _, word := range words {
		name, text, isPair := strings.Cut(word, "=")
		if !isPair || name == "" {
			report.warn("%q behind the status must be a condition, such as Language=de", word)
			continue
		}
		c := condition{name: name, text: text, values: strings.Split(text, ",")}
		if !strings.EqualFold(name, "Language") && !strings.EqualFold(name, "Cookie") {
			r.never = name
			report.warn("%s is not known here, so the rule never applies: it must be Language or Cookie", strconv.Quote(name))
		}
		r.conditions = append(r.conditions, c)
	}
}
