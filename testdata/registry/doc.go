// Package registry proves previews from a registry with a real one, distribution's own, and with the programs that
// push to it: the Docker engine, crane and oras.
//
//	PREVIEWD_REGISTRY=1 PREVIEWD_DOCKER=1 go test -count=1 .
//
// Without PREVIEWD_REGISTRY nothing is tested; with it a program that is missing is a failure. CRANE, ORAS and DOCKER
// name the programs, crane, oras and docker if they are not set. The engine is asked only if PREVIEWD_DOCKER is set.
// PREVIEWD_FIGURES=1 measures too, which takes some minutes.
//
// It is a module of its own: what it needs, the server does not.
package registry
