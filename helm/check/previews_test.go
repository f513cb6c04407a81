package check

import (
	"slices"
	"strings"
	"testing"
)

// TestPreviews: the Ingress, the route and the certificate are for the domain and all below it, whatever hosts there are
// beside; and helm test is there as long as the names of the Service show a page.
func TestPreviews(t *testing.T) {
	args := set("content.persistentVolumeClaim=builds", "previews.enabled=true", "previews.domain=preview.example.com", "ingress.enabled=true",
		"ingress.tls[0].secretName=a", "ingress.tls[1].secretName=b", "ingress.tls[1].hosts[0]=b.example", "httpRoute.enabled=true", "httpRoute.parentRefs[0].name=gateway",
		"tls.certManager.enabled=true", "tls.certManager.issuerRef.name=team")
	o := decode(t, render(t, args...))
	checkReferences(t, o)
	want := []string{"preview.example.com", "*.preview.example.com"}
	var hosts []string
	for _, rule := range o.ingresses[0].Spec.Rules {
		hosts = append(hosts, rule.Host)
	}
	if !slices.Equal(hosts, want) {
		t.Errorf("the Ingress is for %q", hosts)
	}
	if tls := o.ingresses[0].Spec.TLS; len(tls) != 2 || !slices.Equal(tls[0].Hosts, want) || !slices.Equal(tls[1].Hosts, []string{"b.example"}) {
		t.Errorf("the TLS of the Ingress is %+v", tls)
	}
	if names := o.routes[0].Spec.Hostnames; len(names) != 2 || string(names[0]) != want[0] || string(names[1]) != want[1] {
		t.Errorf("the route is for %q", names)
	}
	for _, name := range want {
		if !slices.Contains(o.certificates[0].Spec.DNSNames, name) {
			t.Errorf("the certificate is not for %s", name)
		}
	}
	if s := o.settings(t); s["PREVIEWS"] != "directories" || s["PREVIEWS_DOMAIN"] != want[0] {
		t.Errorf("the settings are %v", s)
	}
	if strings.Contains(render(t, append(args, "--set", "config.PREVIEWS_LIST=false")...), "helm.sh/hook: test") {
		t.Error("helm test asks for a list that is not there")
	}
	if s := decode(t, render(t, set("content.persistentVolumeClaim=builds", "previews.enabled=true")...)).settings(t); s["PREVIEWS"] != "directories" || s["PREVIEWS_DOMAIN"] != "" {
		t.Errorf("without a domain: %v", s)
	}
}
