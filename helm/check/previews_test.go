package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"

	"github.com/previewd/previewd/config"
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

// TestRegistry: the images are the source of content. They have a volume of their own that is written to, and nothing of the
// content is there.
func TestRegistry(t *testing.T) {
	o := decode(t, render(t, set("previews.repository=registry.example.com/team/app", "previews.pullSecret=registry")...))
	checkReferences(t, o)
	checkContainers(t, o)
	checkSecurity(t, o, true)
	spec, server := o.spec(), o.spec().Containers[0]
	if len(spec.Volumes) != 2 || len(server.VolumeMounts) != 2 {
		t.Fatalf("volumes %+v, mounts %+v", spec.Volumes, server.VolumeMounts)
	}
	store, secret := spec.Volumes[0], spec.Volumes[1].Secret
	if mount := server.VolumeMounts[0]; store.EmptyDir == nil || mount.Name != store.Name || mount.MountPath != "/previews" || mount.ReadOnly {
		t.Errorf("the store is %+v at %+v", store, mount)
	}
	if mount := server.VolumeMounts[1]; secret.SecretName != "registry" || *secret.DefaultMode != 0o444 || secret.Items[0].Key != core.DockerConfigJsonKey ||
		secret.Items[0].Path != "config.json" || mount.Name != spec.Volumes[1].Name || !mount.ReadOnly || server.Env[0] != (core.EnvVar{Name: "DOCKER_CONFIG", Value: mount.MountPath}) {
		t.Errorf("the Secret is %+v at %+v, and %+v", secret, mount, server.Env)
	}
	s := o.settings(t)
	if s["PREVIEWS"] != "registry.example.com/team/app" || s["PREVIEWS_STORE"] != "/previews" || s["PREVIEWS_SIZE"] != "2Gi" || s["DIRECTORY"] != "" || s["PREVIEWS_PATH"] != "" {
		t.Errorf("the settings are %v", s)
	}
}

// TestRegistryResources: previews from a registry ask for little, unless an autoscaler goes by it; what the user says counts.
func TestRegistryResources(t *testing.T) {
	const registry = "previews.repository=a.example/app"
	for values, want := range map[string]string{
		served:                                 "50m 64Mi 128Mi",
		registry:                               "5m 16Mi 256Mi",
		registry + ",autoscaling.enabled=true": "50m 16Mi 256Mi",
		registry + ",resources.requests.cpu=1": "1 16Mi 256Mi",
		registry + ",resources.limits.memory=1Gi":             "5m 16Mi 1Gi",
		served + ",resources.limits.memory=1Gi":               "50m 64Mi 1Gi",
		registry + ",resources.requests.memory=64Mi":          "5m 64Mi 256Mi",
		registry + ",resources.requests.cpu=null":             "5m 16Mi 256Mi",
		registry + ",resources=null":                          "0 0 0",
		registry + ",resources.requests.ephemeral-storage=1G": "5m 16Mi 256Mi",
	} {
		r := decode(t, render(t, set(values)...)).spec().Containers[0].Resources
		if got := fmt.Sprint(r.Requests.Cpu(), " ", r.Requests.Memory(), " ", r.Limits.Memory()); got != want {
			t.Errorf("%s: %s, want %s", values, got, want)
		}
	}
}

// TestRegistryVolume: the volume has room for an eighth more than the server puts there, whatever unit the size has: beyond
// its limit the kubelet evicts the pod.
func TestRegistryVolume(t *testing.T) {
	for _, size := range []string{"16Mi", "17000001", "16385k", "1500MB", "010 g", "4000000TiB"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			o := decode(t, render(t, append(set("previews.repository=a.example/app"), "--set-string", "previews.size="+size)...))
			environment := maps.Clone(image)
			maps.Copy(environment, o.settings(t))
			c, err := config.Load(nil, environment)
			if err != nil {
				t.Fatal(err)
			}
			limit, most := o.spec().Volumes[0].EmptyDir.SizeLimit.Value(), int64(c.PreviewsSize)
			if room := limit - most; limit < most || room < most/8 || room > most/8+3<<20 {
				t.Errorf("the volume has %d bytes for %d", limit, most)
			}
		})
	}
}

// TestRegistryEgress: names can be looked up, the registry can be reached and what it leads to, and no address of the link,
// where clouds tell a machine's secrets.
func TestRegistryEgress(t *testing.T) {
	for values, want := range map[string][]int{
		"previews.repository=registry.example.com/team/app":                       {443},
		"previews.repository=registry.example.com:443/team/app":                   {443},
		"previews.repository=registry.example.com:5000/team/app":                  {443, 5000},
		"previews.repository=[fd00::1]:5000/team/app":                             {443, 5000},
		"previews.repository=registry.example.com/app,config.PREVIEWS_INSECURE=1": {443, 80},
		"previews.repository=registry:5000/app,config.PREVIEWS_INSECURE=true":     {443, 5000},
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			egress := decode(t, render(t, set(values)...)).policies[0].Spec.Egress
			if len(egress) != 2 || len(egress[0].To) != 0 || len(egress[0].Ports) != 2 || len(egress[1].To) != 3 {
				t.Fatalf("egress is %+v", egress)
			}
			var ports []int
			for _, p := range egress[1].Ports {
				ports = append(ports, p.Port.IntValue())
			}
			if !slices.Equal(ports, want) {
				t.Errorf("ports %v, want %v", ports, want)
			}
			for i, all := range []networking.IPBlock{{CIDR: "0.0.0.0/0", Except: []string{"169.254.0.0/16"}}, {CIDR: "::/0", Except: []string{"fe80::/10"}}} {
				if to := egress[1].To[i].IPBlock; to == nil || to.CIDR != all.CIDR || !slices.Equal(to.Except, all.Except) {
					t.Errorf("it leads to %+v", to)
				}
			}
		})
	}
	for values, want := range map[string]int{
		"config.PROXY=/api=http://backend":                                0, // wherever that is
		"networkPolicy.egress[0].to[0].namespaceSelector.matchLabels.a=b": 1,
	} {
		egress := decode(t, render(t, append(set("previews.repository=a.example/app"), "--set-string", values)...)).policies[0].Spec.Egress
		if len(egress) != 1 || len(egress[0].To) != want {
			t.Errorf("%s: egress is %+v", values, egress)
		}
	}
	if n := len(decode(t, render(t, set("previews.repository=a.example/app", "networkPolicy.enabled=false")...)).policies); n != 0 {
		t.Errorf("%d policies", n)
	}
}

// TestRegistryNames: the schema takes a repository and a path if the server takes them.
func TestRegistryNames(t *testing.T) {
	text, err := os.ReadFile(chart + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type patterns struct {
		Repository, ImagePath struct{ Pattern string }
	}
	var schema struct {
		AnyOf [2]json.RawMessage
		Defs  patterns `json:"$defs"`
	}
	var values struct {
		Properties struct {
			Previews struct{ Properties patterns }
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(schema.AnyOf[1], &values); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		variable, pattern string
		values            []string
	}{
		{"PREVIEWS", values.Properties.Previews.Properties.Repository.Pattern, []string{
			"registry.example.com/team/app", "registry.example.com:5000/a", "registry:5000/a", "localhost/a", "docker.io/team/app", "[::1]:5000/a", "10.0.0.1/a", "a.b-c_d.example:65535/a_b/c--d/e.f/g__h",
			"https://a.example/b", "a.example/b:tag", "a.example/b@sha256:0", "a.example/B", "A.example/b", "team/app", "app", "a.example", "a.example/", "a.example/b/", "a.example//b", "a.example/b..c", "a.example/-b",
			"a.example:0/b", "a.example:65536/b", "a.example:/b", "10.0.0.256/a", "-a.example/b", "a..example/b", "[::1/a", "u@a.example/b", "a.example/b c", "directory"}},
		{"PREVIEWS_PATH", schema.Defs.ImagePath.Pattern, []string{
			"/", "/a", "a", "a/b", "/a/b/", "/a b/#c", "/.a", "/..a/...", "//a", "/a//b", "/a/..", "..", ".", "./a", "/a/./b"}},
	} {
		pattern := regexp.MustCompile(c.pattern)
		for _, text := range c.values {
			environment := maps.Clone(image)
			environment["PREVIEWS"] = "a.example/app"
			environment[c.variable] = text
			if _, err := config.Load(nil, environment); pattern.MatchString(text) != (err == nil) {
				t.Errorf("%s=%s: the server says %v, the chart takes it: %v", c.variable, text, err, pattern.MatchString(text))
			}
		}
	}
}
