// Package docker proves the image with a real engine: its tests build it, run it and press it, as a user
// would. They run only if PREVIEWD_DOCKER is set, and then an engine that does not answer is a failure:
//
//	PREVIEWD_DOCKER=1 go test -count=1 ./testdata/docker
//
// DOCKER names the client, docker if it is not set. It has to build with BuildKit. -v shows the figures.
//
// They are a package of their own below testdata, which ./... leaves out, as they need an engine, minutes and
// root's rights, and nothing else in the module does.
package docker
