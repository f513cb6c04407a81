package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/previewd/previewd/config"
)

// image is what the Dockerfile sets, which the chart's settings come on top of.
var image = map[string]string{"DIRECTORY": "/srv", "TLS_PORT": "8443", "PREVIEWS_STORE": "/previews"}

// TestContract: config has every variable of the contract, and no other.
func TestContract(t *testing.T) {
	var want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` ").FindAllStringSubmatch(config.MarkdownTable(), -1) {
		want = append(want, m[1])
	}
	text, err := os.ReadFile(chart + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		AnyOf [2]json.RawMessage
	}
	var values struct {
		Properties struct {
			Config struct {
				Properties           map[string]any
				AdditionalProperties bool
			}
		}
	}
	values.Properties.Config.AdditionalProperties = true
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(schema.AnyOf[1], &values); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(values.Properties.Config.Properties))
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) < 38 || values.Properties.Config.AdditionalProperties {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestServerTakesSettings: the server starts with what the chart makes of the examples, two of which have all settings.
func TestServerTakesSettings(t *testing.T) {
	all := map[string]string{}
	for _, name := range []string{"config", "registry"} {
		maps.Copy(all, decode(t, render(t, examples(t)[name]...)).settings(t))
	}
	for _, variable := range regexp.MustCompile("`[A-Z_]+`").FindAllString(config.MarkdownTable(), -1) {
		if variable = strings.Trim(variable, "`"); all[variable] == "" {
			t.Errorf("the examples of all settings lack %s", variable)
		}
	}
	for name, args := range examples(t) {
		t.Run(name, func(t *testing.T) {
			settings := decode(t, render(t, args...)).settings(t)
			environment := maps.Clone(image)
			maps.Copy(environment, settings)
			c, err := config.Load(nil, environment)
			if err != nil || len(c.Warnings) > 0 {
				t.Errorf("%v, %q", err, c.Warnings)
			}
			tls := slices.ContainsFunc(decode(t, render(t, args...)).spec().Containers[0].Ports, func(p core.ContainerPort) bool { return p.Name == "https" })
			if c.HTTPSBeside() != tls {
				t.Errorf("the server speaks HTTPS: %v, the pod has its port: %v", c.HTTPSBeside(), tls)
			}
		})
	}
}

// serviceNames are those of the Service of demo in team, in the form of a list.
const serviceNames = "demo-previewd,demo-previewd.team,demo-previewd.team.svc,demo-previewd.team.svc.cluster.local"

// TestForms: what YAML makes of a value is what was meant.
func TestForms(t *testing.T) {
	for _, c := range []struct{ values, variable, want string }{
		{"PORT: '08080'", "PORT", "08080"},
		{"LISTING: off", "LISTING", "false"},
		{"LISTING: 'off'", "LISTING", "off"},
		{"LISTING: 0", "LISTING", "0"},
		{"LISTING: plain", "LISTING", "plain"},
		{"ARCHIVE: no", "ARCHIVE", "false"},
		{"COMPRESS: off", "COMPRESS", "off"},
		{"KERNEL_CONFINEMENT: off", "KERNEL_CONFINEMENT", "off"},
		{"PREVIEWS: off", "PREVIEWS", "off"},
		{"PREVIEWS: directories", "PREVIEWS", "directories"},
		{"HTTPS_REDIRECT: off", "HTTPS_REDIRECT", "off"},
		{"HTTPS_REDIRECT: 8443", "HTTPS_REDIRECT", "8443"},
		{"MAX_CONNECTIONS: 2000000", "MAX_CONNECTIONS", "2000000"},
		{"MAX_CONNECTIONS: 0", "MAX_CONNECTIONS", "0"},
		{"CACHE_SIZE: 10737418240", "CACHE_SIZE", "10737418240"},
		{"CACHE_SIZE: 1 GiB", "CACHE_SIZE", "1 GiB"},
		{"INDEX_PAGES: [a.html, b.html]", "INDEX_PAGES", "a.html,b.html"},
		{"TRUSTED_PROXIES: [10.0.0.0/8]", "TRUSTED_PROXIES", "10.0.0.0/8"},
		{"EXTENSIONS_MAP: [.md=text/markdown]", "EXTENSIONS_MAP", ".md=text/markdown"},
		{"CACHE_CONTROL: ' no-cache '", "CACHE_CONTROL", "no-cache"},
		{"TRUSTED_PROXIES: ''", "TRUSTED_PROXIES", ""},
		{"HIDDEN: null", "HIDDEN", ""},
		{"SHUTDOWN_DELAY: null", "SHUTDOWN_DELAY", "0s"},
		{"SHUTDOWN_TIMEOUT: ''", "SHUTDOWN_TIMEOUT", "8s"},
		{"TLS_CERT: ''", "TLS_CERT", ""},
		{"ALLOWED_HOSTS: [.a.example, b.example]", "ALLOWED_HOSTS", serviceNames + ",.a.example,b.example"},
		{"ALLOWED_HOSTS: ''", "ALLOWED_HOSTS", ""},
		{"TLS_SELF_SIGNED: yes, TLS_SELF_SIGNED_HOSTS: a.example", "TLS_SELF_SIGNED_HOSTS", serviceNames + ",a.example"},
		{"TLS_SELF_SIGNED: 'yes'", "TLS_SELF_SIGNED_HOSTS", serviceNames},
		{"TLS_SELF_SIGNED: 1", "TLS_SELF_SIGNED_HOSTS", serviceNames},
		{"TLS_SELF_SIGNED: 'off'", "TLS_SELF_SIGNED_HOSTS", ""},
	} {
		t.Run(c.values, func(t *testing.T) {
			t.Parallel()
			settings := decode(t, render(t, append(file(t, "config: {"+c.values+"}"), set(served)...)...)).settings(t)
			if got := settings[c.variable]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			environment := maps.Clone(image)
			maps.Copy(environment, settings)
			if _, err := config.Load(nil, environment); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestListsAndNumbers: what the server would not start with is refused here, and what it takes is taken.
func TestListsAndNumbers(t *testing.T) {
	for variable, values := range map[string][]string{
		"CGI_DIRECTORIES":       {"/cgi-bin", "/cgi-bin/", "/a, /b", "/a,,b", "/a,b", "//a", "/a//b", "/a%20b", "/a?b", "/a,"},
		"CGI_MAX_PROCESSES":     {"1", "007", "0", "2147483647", "2147483648"},
		"CGI_PASS_ENV":          {"LANG", "LANG, TZ", "1A", "A B", "A,,B", ","},
		"TLS_ALPN":              {"h2", "h2, http/1.1", "h2,", "h3"},
		"TLS_SELF_SIGNED_HOSTS": {"a.example", "a, ::1", "a,,b", "a b", "*.example.com", "[::1]", "192.0.2.1"},
		"HTTPS_REDIRECT":        {"off", "443", "0", "65535", "65536"},
		"INDEX_PAGES":           {"a.html", "a.html, b c.html", "a,,b", ",a", "a/b", ".", "..", "..a"},
		"EXTENSIONS_MAP":        {".md=text/markdown", ".md=text/markdown; charset=utf-8, .x=a/b", ".md=text/markdown,x", ".md=text", ".a/b=c/d", ".a=b/c,", ".a=b/c/d", ".a=b/ü"},
		"TRUSTED_PROXIES":       {"10.0.0.0/8", "10.0.0.0/8, fd00::/8,192.0.2.1", "10.0.0.0/33", "10.0.0.0/8,", "10.0.0", "abc", "fd00::/129", "256.1.1.1"},
		"PROXY":                 {"/api=http://backend:3000", "/a=http://b, /c=https://[::1]:1/d/", "/=http://b", "/a=http://b,", "a=http://b", "/a=b:3000", "/a=http://b?c", "/a=http://", "/a=ftp://b", "/a%20=http://b"},
		"PROXY_ORIGINS":         {"https://a", "https://a, http://b:81", "https://a/", "a", "https://a,"},
		"BIND":                  {"::", "0.0.0.0", "-a", "1.2.3"},
		"MAX_CONNECTIONS":       {"0", "2147483647", "2147483648"},
	} {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				t.Parallel()
				environment := maps.Clone(image)
				environment[variable] = value
				_, err := config.Load(nil, environment)
				got := refusal(t, append(file(t, fmt.Sprintf("config: {%s: %q}", variable, value)), set(served)...)...)
				if taken := strings.HasPrefix(got, "nothing is wrong"); taken != (err == nil) {
					t.Errorf("the server says %v, the chart %.200s", err, got)
				}
			})
		}
	}
}

// TestDurations: the chart understands a duration as the server does, which is as Go does, and gives that much
// time; one that the server refuses is refused here.
func TestDurations(t *testing.T) {
	for _, text := range []string{"0s", "5s", "500ms", "1m30s", "1h1m1s1ms", "1.5h", ".5s", "5.s", "0.25m", "100us", "100µs", "1ns", "010s", "30m0.5s",
		"1.2.3s", "s", "5", "1d", "-1s", "1e3s", "5 s", "1m30", "..s", "1s1"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			want, err := time.ParseDuration(text)
			args := append(set(served), "--set-string", "config.SHUTDOWN_DELAY="+text)
			if err != nil || want < 0 {
				if got := refusal(t, args...); !strings.Contains(got, "SHUTDOWN_DELAY") {
					t.Errorf("not refused: %.200s", got)
				}
				return
			}
			grace := *decode(t, render(t, args...)).spec().TerminationGracePeriodSeconds
			seconds := int64(math.Ceil(want.Seconds())) + 8 + 5
			if want > 0 {
				seconds++ // after the kubelet's wait, for clients of kept connections
			}
			if grace != seconds {
				t.Errorf("the grace period is %d s, want %d", grace, seconds)
			}
		})
	}
}

// TestChecksum: new settings make new pods, and so does new text in the values, which helm upgrade --wait then waits
// for; a name for the Service does not.
func TestChecksum(t *testing.T) {
	of := func(values ...string) string {
		template := decode(t, render(t, set(values...)...)).deployment().Spec.Template
		return fmt.Sprint(template.Annotations)
	}
	inline := "content.inline.index\\.html="
	before := of(inline + "a")
	if before != of(inline+"a", "service.port=8080") {
		t.Error("the Service's port makes new pods")
	}
	for _, other := range []string{inline + "b", "content.inline.index\\.htm=a", inline + "a,config.LISTING=false", inline + "a,config.SHUTDOWN_DELAY=6s"} {
		if before == of(other) {
			t.Errorf("%s makes no new pods", other)
		}
	}
	// A user's annotation of that name does not stand beside it.
	if before != of(inline+"a", "podAnnotations.checksum/content=mine") {
		t.Error("podAnnotations wins")
	}
}

// TestVersions: what each version of Kubernetes gets.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version, values string
		eviction        bool
	}{
		{"1.21.0", served, false},
		{"1.26.15", served, false},
		{"1.27.0", served, true},
		{"1.31.2+k3s1", served, true},
		{"1.33.0", "content.image=site:1", true},
		{"1.33.0-alpha.1", "content.image=site:1", true},
		{"1.34.1-gke.1829001", "content.image=site:1", true},
		{"1.36.0", "content.image=site:1", true},
	} {
		t.Run(c.version+" "+c.values, func(t *testing.T) {
			o := decode(t, render(t, append(set(c.values, "replicaCount=2"), "--kube-version", c.version)...))
			if got := o.budgets[0].Spec.UnhealthyPodEvictionPolicy != nil; got != c.eviction {
				t.Errorf("the budget has an eviction policy: %v", got)
			}
		})
	}
}

// TestReplicas: two pods or more get a budget and are spread, one does not; what the user says counts.
func TestReplicas(t *testing.T) {
	for _, c := range []struct {
		values          []string
		budgets, spread int
	}{
		{[]string{"replicaCount=0"}, 0, 0},
		{[]string{"replicaCount=1"}, 0, 0},
		{[]string{"replicaCount=2"}, 1, 2},
		{[]string{"replicaCount=2", "podDisruptionBudget.enabled=false"}, 0, 2},
		{[]string{"autoscaling.enabled=true"}, 1, 2},
		{[]string{"autoscaling.enabled=true", "autoscaling.minReplicas=1"}, 0, 2},
		{[]string{"autoscaling.enabled=true", "autoscaling.minReplicas=1", "autoscaling.maxReplicas=1"}, 0, 0},
	} {
		t.Run(fmt.Sprint(c.values), func(t *testing.T) {

			o := decode(t, render(t, set(append(c.values, served)...)...))
			if len(o.budgets) != c.budgets || len(o.spec().TopologySpreadConstraints) != c.spread {
				t.Errorf("%d budgets, %d spreads", len(o.budgets), len(o.spec().TopologySpreadConstraints))
			}
		})
	}
	o := decode(t, render(t, set(served, "replicaCount=2", "podDisruptionBudget.maxUnavailable=0")...))
	if n := o.budgets[0].Spec.MaxUnavailable.IntValue(); n != 0 {
		t.Errorf("%d pods may be missing, though the user wants none to", n)
	}
	o = decode(t, render(t, append(file(t, "topologySpreadConstraints: []"), set(served, "replicaCount=2")...)...))
	if n := len(o.spec().TopologySpreadConstraints); n != 0 {
		t.Errorf("%d spreads, though the user wants none", n)
	}
}
