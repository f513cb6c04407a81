package metrics

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// endpoints is what a request for anything else is told; behind it comes /ca.pem if there is one.
const endpoints = "previewd: /metrics /livez /readyz /healthz /version"

// Admin returns the handler of the admin port. It is called once.
//
//	/metrics  the registry, in the format that the client asks for
//	/livez    200 while the process answers; it never looks at the checks
//	/readyz   200, or 503 and a line for each check that fails: "directory: not readable"
//	/healthz  each check with its state, after the manner of Kubernetes; 503 if one fails
//	/version  version, revision and goversion as JSON, the labels of previewd_build_info
//	/ca.pem   the certificate of the development CA, if there is one (CA)
//
// The checks are made for each request.
func (m *Metrics) Admin(checks ...Check) http.Handler {
	probes := newProbes(checks)
	exposition := promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:          m.registry, // for promhttp_metric_handler_errors_total
		EnableOpenMetrics: true,
	}))
	handlers := admin{
		"/metrics": exposition,
		"/livez":   http.HandlerFunc(live),
		"/readyz":  http.HandlerFunc(probes.ready),
		"/healthz": http.HandlerFunc(probes.health),
		"/version": http.HandlerFunc(m.version),
	}
	if m.CA != nil {
		handlers["/ca.pem"] = http.HandlerFunc(m.ca)
	}
	return handlers
}

// admin has a handler for each path.
type admin map[string]http.Handler

// ServeHTTP answers GET and HEAD on the paths there are.
func (a admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	handler, found := a[r.URL.Path]
	if !found {
		text := endpoints
		if _, found := a["/ca.pem"]; found {
			text += " /ca.pem"
		}
		answer(w, http.StatusNotFound, text+"\n")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, "only GET and HEAD\n")
		return
	}
	handler.ServeHTTP(w, r)
}

// answer answers with plain text.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // net/http leaves the content away for HEAD
}

// live answers /livez.
func live(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") }

// ca answers /ca.pem, with the media type by which browsers offer to trust it.
func (m *Metrics) ca(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Header().Set("Content-Disposition", `attachment; filename="previewd-ca.pem"`)
	_, _ = w.Write(m.CA()) // net/http leaves the content away for HEAD
}

// version answers /version.
func (m *Metrics) version(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, m.build.JSON())
}

// ready answers /readyz.
func (p probes) ready(w http.ResponseWriter, r *http.Request) {
	var reasons strings.Builder
	for _, s := range p.states(r.Context()) {
		if s.err != nil && !s.check.HealthOnly {
			fmt.Fprintf(&reasons, "%s: %s\n", s.check.Name, oneLine(s.err))
		}
	}
	if reasons.Len() > 0 {
		answer(w, http.StatusServiceUnavailable, reasons.String())
		return
	}
	answer(w, http.StatusOK, "ok\n")
}

// health answers /healthz.
func (p probes) health(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	status, verdict := http.StatusOK, "passed"
	for _, s := range p.states(r.Context()) {
		if s.err == nil {
			fmt.Fprintf(&text, "[+]%s ok\n", s.check.Name)
			continue
		}
		if s.check.Warning {
			fmt.Fprintf(&text, "[!]%s: %s\n", s.check.Name, oneLine(s.err))
			continue
		}
		status, verdict = http.StatusServiceUnavailable, "failed"
		fmt.Fprintf(&text, "[-]%s failed: %s\n", s.check.Name, oneLine(s.err))
	}
	answer(w, status, text.String()+"healthz check "+verdict+"\n")
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
