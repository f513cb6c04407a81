package check

import (
	"testing"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// TestRoutes: each rule leads to the Service, but for one that redirects, which may lead nowhere else.
func TestRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		rules    string
		backends []int // of each rule
	}{
		"none":                {"[]", []int{1}},
		"match":               {"[{matches: [{path: {type: Exact, value: /a}}]}]", []int{1}},
		"redirect":            {"[{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]}]", []int{0}},
		"redirect of a match": {"[{matches: [{path: {type: Exact, value: /a}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}, {}]", []int{0, 1}},
		"other filters":       {"[{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}]}]", []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := decode(t, render(t, append(file(t, "httpRoute: {enabled: true, parentRefs: [{name: gateway}], rules: "+c.rules+"}"), set(served)...)...))
			checkReferences(t, o)
			rules := o.routes[0].Spec.Rules
			if len(rules) != len(c.backends) {
				t.Fatalf("%d rules, want %d", len(rules), len(c.backends))
			}
			for i, want := range c.backends {
				if got := len(rules[i].BackendRefs); got != want {
					t.Errorf("rule %d has %d backends, want %d", i, got, want)
				}
				for _, f := range rules[i].Filters {
					if redirects := f.Type == gateway.HTTPRouteFilterRequestRedirect; redirects != (want == 0) {
						t.Errorf("rule %d: filter %+v", i, f)
					}
				}
			}
		})
	}
}
