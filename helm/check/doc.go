// Package check proves the chart ../previewd with helm itself, Kubernetes' own types and rules, and, where
// PREVIEWD_DOCKER is set, with a real engine:
//
//	go test .
//	PREVIEWD_DOCKER=1 go test -count=1 -run Docker .
//
// HELM names the program, helm if it is not set. Where there is none the tests are skipped, unless PREVIEWD_HELM
// is set: then a tool that is missing is a failure. -update rewrites the golden files, the chart's copies of the
// rules and the dashboard, and the table of values in its README.md.
package check
