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
	appeared := sight{shown: 0, now: now, agreed: true, document: true}
	for name, c := range map[string]struct {
		sights []sight
		was    verdict
		quiet  time.Duration
		want   verdict
	}{
		"nothing changed":                    {[]sight{document, style}, same, 0, same},
		"one look":                           {[]sight{document, changed(style, false)}, same, 0, restless},
		"two looks agree":                    {[]sight{document, changed(style, true)}, restless, 0, reload},
		"another is not at rest":             {[]sight{changed(document, false), changed(style, true)}, restless, 0, restless},
		"what was missing is there":          {[]sight{appeared}, same, 0, reload},
		"a style sheet is gone":              {[]sight{document, gone(style)}, same, 0, building},
		"what the document names":            {[]sight{document, gone(style)}, building, rest, building},
		"and stays gone":                     {[]sight{document, gone(style)}, building, patience, reload},
		"another document":                   {[]sight{changed(document, true), gone(style)}, building, rest, reload},
		"the document is gone":               {[]sight{gone(document), style}, same, 0, building},
		"and nothing else happens":           {[]sight{gone(document), style}, building, rest, building},
		"nor ever":                           {[]sight{gone(document), style}, building, givenUp, reload},
		"it is back":                         {[]sight{changed(document, true), gone(style)}, building, rest - 1, building},
		"and all is quiet":                   {[]sight{changed(document, true), gone(style)}, building, rest, reload},
		"all is as it was, for a moment":     {[]sight{document, style}, building, rest - 1, building},
		"all is as it was":                   {[]sight{document, style}, building, rest, same},
		"changed while something is missing": {[]sight{document, changed(style, true), {shown: 0, now: 0}}, restless, 0, reload},
	} {
		if got := judge(c.sights, c.was, c.quiet); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
