package metrics

import "github.com/prometheus/client_golang/prometheus"

// authFailures are the kinds of failed tries of a password.
var authFailures = [...]string{"wrong", "slowed", "busy", other}

// Auth adds the metric of failed tries of passwords, once, and returns what counts one.
func (m *Metrics) Auth() (failed func(kind string)) {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace,
		Name: "auth_failures_total", Help: "Requests whose password was wrong, or was not looked at, by kind."}, []string{"kind"})
	for _, kind := range authFailures {
		failures.WithLabelValues(kind)
	}
	m.registry.MustRegister(failures)
	return func(kind string) { failures.WithLabelValues(authFailures[index(authFailures[:], kind)]).Inc() }
}
