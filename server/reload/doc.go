// Package reload makes pages show what has changed. It notes which files of the site each answer depends on, looks at
// these again while a page listens, and tells the page when they have changed and come to rest.
//
// It needs no file events, so that it works on every mount. known.go has what is looked at, judge.go the law of rest,
// look.go the looks, events.go the stream that a page listens to, inject.go the tag in the page, rebuild.go the requests
// that wait for a build. reload.js runs in the page.
package reload
