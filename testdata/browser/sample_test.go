package browser

import (
	"slices"
	"testing"
)

// TestSample: the sample site and our own pages, as a browser shows them. Nothing that they ask for is missing, the
// icon that a browser looks for included.
func TestSample(t *testing.T) {
	s := serve(t, module+"/testdata/www")

	p := open(t, s.url+"/")
	p.is(200)
	p.shows("5 lights, all in order.", "Kettle Rock", "Ölgrund")
	p.must(p.Await("document.querySelectorAll('.lamp').length == 5"))
	p.quiet()
	colours, err := p.Colours()
	p.must(err)
	if colours < 50 {
		t.Errorf("the page is drawn in %d colours", colours)
	}

	p = open(t, s.url+"/log/")
	p.is(200)
	p.shows("tide table.txt", "Røde Ø.txt", "latest.txt", "→")
	p.quiet()

	p = open(t, s.url+"/nowhere")
	p.is(404)
	p.shows("Error code: 404")
	p.quiet("/nowhere")

	if got := s.refused(t); !slices.Equal(got, []string{"GET /nowhere HTTP/1.1 404"}) {
		t.Errorf("the server has refused %q, want /nowhere alone", got)
	}
}

// TestText: text in UTF-8 is read as such, with no word about it in the file.
func TestText(t *testing.T) {
	s := serve(t, module+"/testdata/www")
	p := open(t, s.url+"/log/R%C3%B8de%20%C3%98.txt")
	p.is(200)
	p.shows("Røde Ø")
}
