package service

import (
	"testing"

	"github.com/previewd/previewd/config"
)

// load is a Load that is always saturated.
type load struct{}

func (load) Started()        {}
func (load) Saturated() bool { return true }

func TestTheSiteKnowsTheLoad(t *testing.T) {
	opts := siteOptions(Setup{Config: config.Config{}, Load: load{}}, nil)
	if !opts.Saturated() {
		t.Error("the site is not told that the process is saturated")
	}
}
