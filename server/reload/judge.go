package reload

import "time"

const (
	// rest is how long nothing known may change for a build to be over.
	rest = 300 * time.Millisecond
	// patience is how long nothing known may change for a build to be over that has left the document as it was: what this
	// names has the same name afterwards, and will be there.
	patience = 5 * time.Second
	// givenUp is how long nothing known changes in a build that is taken to be over although the document is missing.
	givenUp = 60 * time.Second
)

// verdict is what looks mean for a page.
type verdict uint8

const (
	same     verdict = iota // the page shows what is there
	restless                // something has changed, and may go on changing
	building                // something that the page uses is gone: it is being built
	reload                  // what has changed is to be shown
)

// sight is what the looks have found of a name that a page uses.
type sight struct {
	shown, now version
	agreed     bool // two looks have found now
	document   bool // the page itself depends on it
}

// judge judges what the looks have found of all names that a page uses.
//
// While all that the page shows is still there, two looks that agree are enough. Where something of it is gone, a build is on:
// it is over when the document is there and nothing known has changed for a while, whatever else is gone, as bundlers
// rename what they build; the while is longer where the document is the same. was is the verdict before, quiet how long nothing known has changed.
// Where builds replace each other at once, what is gone has changed like anything else.
func judge(sights []sight, was verdict, quiet time.Duration, atOnce bool) verdict {
	changed, gone, documentChanged, documentGone, agreed := false, false, false, false, true
	for _, s := range sights {
		if s.shown == s.now {
			continue
		}
		changed = true
		agreed = agreed && s.agreed
		documentChanged = documentChanged || s.document
		if s.now == 0 && !atOnce {
			gone = true
			documentGone = documentGone || s.document
		}
	}
	switch {
	case !changed && (was != building || quiet >= rest):
		return same
	case !changed, gone, was == building:
		enough := rest
		switch {
		case documentGone:
			enough = givenUp
		case gone && !documentChanged:
			enough = patience
		}
		if quiet >= enough {
			return reload
		}
		return building
	case agreed:
		return reload
	}
	return restless
}
