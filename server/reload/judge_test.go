package reload

import (
	"testing"
	"time"
)

// TestJudge: the law of rest, case by case.
func TestJudge(t *testing.T) {
	const now = 9
	document := sight{shown: now, now: now, agreed: true, document: true}
	style := sight{shown: now, now: now, agreed: true}
	changed := func(s sight, agreed bool) sight { s.now, s.agreed = 10, agreed; return s }
	gone := func(s sight) sight { s.now, s.agreed = 0, false; return s }
	agreed := func(s sight) sight { s.agreed = true; return s }
	appeared := sight{shown: 0, now: now, agreed: true, document: true}
	for name, c := range map[string]struct {
		sights []sight
		was    verdict
		quiet  time.Duration
		atOnce bool
		want   verdict
	}{
		"nothing changed":                    {[]sight{document, style}, same, 0, false, same},
		"one look":                           {[]sight{document, changed(style, false)}, same, 0, false, restless},
		"two looks agree":                    {[]sight{document, changed(style, true)}, restless, 0, false, reload},
		"another is not at rest":             {[]sight{changed(document, false), changed(style, true)}, restless, 0, false, restless},
		"what was missing is there":          {[]sight{appeared}, same, 0, false, reload},
		"a style sheet is gone":              {[]sight{document, gone(style)}, same, 0, false, building},
		"what the document names":            {[]sight{document, gone(style)}, building, rest, false, building},
		"and stays gone":                     {[]sight{document, gone(style)}, building, patience, false, reload},
		"another document":                   {[]sight{changed(document, true), gone(style)}, building, rest, false, reload},
		"the document is gone":               {[]sight{gone(document), style}, same, 0, false, building},
		"and nothing else happens":           {[]sight{gone(document), style}, building, rest, false, building},
		"nor ever":                           {[]sight{gone(document), style}, building, givenUp, false, reload},
		"it is back":                         {[]sight{changed(document, true), gone(style)}, building, rest - 1, false, building},
		"and all is quiet":                   {[]sight{changed(document, true), gone(style)}, building, rest, false, reload},
		"all is as it was, for a moment":     {[]sight{document, style}, building, rest - 1, false, building},
		"all is as it was":                   {[]sight{document, style}, building, rest, false, same},
		"changed while something is missing": {[]sight{document, changed(style, true), {shown: 0, now: 0}}, restless, 0, false, reload},
		"gone at once":                       {[]sight{document, agreed(gone(style))}, restless, 0, true, reload},
		"the document is gone at once":       {[]sight{agreed(gone(document)), style}, restless, 0, true, reload},
		"at once, by one look":               {[]sight{gone(document), style}, same, 0, true, restless},
	} {
		if got := judge(c.sights, c.was, c.quiet, c.atOnce); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
