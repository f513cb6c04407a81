package check

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	// chart and module are the chart and the server's module as seen from here.
	chart, module = "../previewd", "../.."
	// kubeVersion is a Kubernetes that has everything the chart can use.
	kubeVersion = "1.36.0"
)

var update = flag.Bool("update", false, "rewrite golden files, copies, and the table of values")

// strict says that a tool that is missing is a failure.
var strict = os.Getenv("PREVIEWD_HELM") != ""

// tool is the path of a program: the variable's value, or name as it is found.
func tool(t testing.TB, variable, name string) string {
	t.Helper()
	if given := os.Getenv(variable); given != "" {
		name = given
	}
	path, err := exec.LookPath(name)
	if err != nil && strict {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("%v: set %s to the program's path", err, variable)
	}
	return path
}

// helm runs a command of helm.
func helm(t testing.TB, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command(tool(t, "HELM", "helm"), args...)
	// No cluster, no plugin and no setting of whoever runs the test.
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	err = cmd.Run()
	return out.String(), errors.String(), err
}

// render is helm template: it returns what would be applied, and nothing may be said beside it.
func render(t testing.TB, args ...string) string {
	t.Helper()
	return renderAs(t, "demo", args...)
}

func renderAs(t testing.TB, release string, args ...string) string {
	t.Helper()
	stdout, stderr, err := helm(t, append([]string{"template", release, chart, "--namespace", "team", "--kube-version", kubeVersion}, args...)...)
	if err != nil || stderr != "" {
		t.Fatalf("helm template %q: %v\n%s", args, err, stderr)
	}
	return stdout
}

// file writes a file of values and returns the arguments that name it.
func file(t testing.TB, values string) []string {
	t.Helper()
	// Not t.TempDir, which has the test's name in it: a comma would make two names of it.
	dir, err := os.MkdirTemp("", "previewd-values.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(name, []byte(values), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"-f", name}
}

// set makes the arguments that set values.
func set(values ...string) (args []string) {
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return args
}

// served are values of the simplest kind.
const served = "content.configMap=site"

// examples are the chart's files of example values, by name without the ending.
func examples(t testing.TB) map[string][]string {
	t.Helper()
	names, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d files of values: %v", len(names), err)
	}
	all := map[string][]string{}
	for _, name := range names {
		all[strings.TrimSuffix(filepath.Base(name), "-values.yaml")] = []string{"-f", name}
	}
	return all
}

// TestLint: helm lint --strict finds nothing in any of the example values.
func TestLint(t *testing.T) {
	for name, args := range examples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := helm(t, append([]string{"lint", "--strict", "--kube-version", kubeVersion, chart}, args...)...)
			if err != nil || strings.Contains(stdout, "[WARNING]") || strings.Contains(stdout, "[ERROR]") {
				t.Errorf("%v\n%s%s", err, stdout, stderr)
			}
		})
	}
}

// TestPackage: the package has what an installation needs and nothing else.
func TestPackage(t *testing.T) {
	dir := t.TempDir()
	if stdout, stderr, err := helm(t, "package", chart, "-d", dir); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	archives, _ := filepath.Glob(dir + "/previewd-*.tgz")
	if len(archives) != 1 {
		t.Fatalf("packages: %q", archives)
	}
	out, err := exec.Command("tar", "tzf", archives[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimPrefix(strings.TrimSpace(line), "previewd/")
		top, _, _ := strings.Cut(name, "/")
		switch top {
		case "Chart.yaml", "values.yaml", "values.schema.json", "README.md", ".helmignore", "templates", "files":
		default:
			t.Errorf("the package has %s", name)
		}
	}
	// What is packaged can be installed.
	if stdout, stderr, err := helm(t, append([]string{"template", "demo", archives[0]}, set(served)...)...); err != nil {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
}

// golden compares got with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: -update rewrites it; %s", name, difference(string(want), got))
	}
}

// difference shows the first line in which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d:\ngot  %q\nwant %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// TestGolden: what the chart makes of its defaults, and of what changes most.
func TestGolden(t *testing.T) {
	all := examples(t)
	for _, name := range []string{"configmap", "git", "image", "inline", "upload", "config", "tls-certmanager", "autoscaling", "httproute", "previews", "registry"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "golden/"+name+".yaml", render(t, all[name]...))
		})
	}
}

// notes are what helm install prints: helm does so for a cluster only, so they are rendered as an object, in a
// copy of the chart.
func notes(t *testing.T, dir string, args ...string) string {
	t.Helper()
	stdout, stderr, err := helm(t, append([]string{"template", "demo", dir, "--namespace", "team", "--kube-version", kubeVersion, "-s", "templates/notes.yaml"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var object struct{ Notes string }
	if err := yaml.Unmarshal([]byte(stdout), &object); err != nil {
		t.Fatal(err)
	}
	return object.Notes
}

// TestNotes: each source says how to put files there, and where the site is.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(chart + "/templates/NOTES.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"_notes.tpl": `{{ define "notes" }}` + string(text) + `{{ end }}`,
		"notes.yaml": "apiVersion: v1\nkind: Notes\nnotes: {{ include \"notes\" . | toJson }}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "templates", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := examples(t)
	for name, args := range all {
		t.Run(name, func(t *testing.T) {
			text := notes(t, dir, args...)
			golden(t, "notes/"+name+".txt", text)
			for _, want := range []string{"The site is at\n", "kubectl port-forward ", "\nIt serves "} {
				if !strings.Contains(text, want) {
					t.Errorf("the notes lack %q", want)
				}
			}
			if strings.Contains(text, "\n\n\n") || strings.Contains(text, "<no value>") {
				t.Errorf("the notes have a hole:\n%s", text)
			}
		})
	}
	// What kubectl create has made is another's for a server-side apply: it is a conflict, and by force what is gone stays.
	// replace --force would delete it first. A pod that is touched makes the kubelet look at once.
	if text := notes(t, dir, all["configmap"]...); !strings.Contains(text, "-o yaml | kubectl replace -f -\n") ||
		!strings.Contains(text, "\n  kubectl annotate pods -n team -l app.kubernetes.io/name=previewd,app.kubernetes.io/instance=demo --overwrite previewd/content-changed=") {
		t.Errorf("the notes of a ConfigMap:\n%s", text)
	}
	// Who comes by HTTP is sent to another port, which has to be forwarded.
	if text := notes(t, dir, all["tls-existingsecret"]...); strings.Contains(text, "localhost:8080") || !strings.Contains(text, "\n  kubectl port-forward -n team service/demo-previewd 8443:8443\n\nand go to https://localhost:8443/.\n") {
		t.Errorf("the notes of a redirection:\n%s", text)
	}
	if text := notes(t, dir, all["ingress"]...); !strings.Contains(text, "config.HTTPS_REDIRECT sends the browser to port 443. Open the https\n") || strings.Contains(text, "localhost") {
		t.Errorf("the notes of a redirection to a proxy:\n%s", text)
	}
	if text := notes(t, dir, append(set("content.image=site:1"), "--kube-version", "1.34.1-gke.100")...); !strings.Contains(text, "feature gate ImageVolume") {
		t.Errorf("the notes of image volumes before 1.35:\n%s", text)
	}
	// A pod that does not come up has said why.
	if text := notes(t, dir, set(served, "config.DIRECTORY=/srv/public")...); !strings.Contains(text, "\n  kubectl logs -n team -l app.kubernetes.io/name=previewd,app.kubernetes.io/instance=demo -c previewd ") {
		t.Errorf("the notes lead to no log:\n%s", text)
	}
	for name, c := range map[string]struct {
		values string
		want   []string // the URLs, but for those of the Service's name and of localhost
	}{
		"ingress": {"ingress: {enabled: true, hosts: [{host: a.example}, {host: b.example, paths: [{path: /b}]}], tls: [{secretName: a, hosts: [a.example]}]}",
			[]string{"https://a.example/", "http://b.example/b"}},
		"ingress by a wildcard": {"ingress: {enabled: true, hosts: [{host: a.example.com}, {host: example.com}, {host: a.b.example.com}], tls: [{hosts: ['*.example.com']}]}",
			[]string{"https://a.example.com/", "http://example.com/", "http://a.b.example.com/"}},
		"ingress for all": {"ingress: {enabled: true, hosts: [{host: a.example}, {paths: [{path: /any}]}], tls: [{secretName: a}]}",
			[]string{"https://a.example/", "https://(every host name)/any"}},
		"ingress without a host": {"ingress: {enabled: true, hosts: [{paths: [{path: /any}]}], tls: [{secretName: a, hosts: [a.example]}]}",
			[]string{"http://(every host name)/any"}},
		"route by https": {"httpRoute: {enabled: true, parentRefs: [{name: g, sectionName: https}], hostnames: [a.example], rules: [{matches: [{path: {type: PathPrefix, value: /docs}}]}]}",
			[]string{"https://a.example/docs"}},
		"route by http": {"httpRoute: {enabled: true, parentRefs: [{name: g, sectionName: web-http}], hostnames: [a.example]}",
			[]string{"http://a.example/"}},
		"route by ports": {"httpRoute: {enabled: true, parentRefs: [{name: g, port: 443}, {name: g, port: 80}, {name: h, port: 8443, sectionName: https}], hostnames: [a.example]}",
			[]string{"https://a.example/", "http://a.example/", "https://a.example:8443/"}},
		"route to whatever listens": {"httpRoute: {enabled: true, parentRefs: [{name: g}], rules: [{matches: [{path: {value: /a}}, {headers: [{name: x, value: y}]}]}, {filters: [{type: RequestRedirect}]}]}",
			[]string{"http(s)://<the address of the gateway g>/a", "http(s)://<the address of the gateway g>/"}},
		"load balancer": {"service: {type: LoadBalancer, port: 8080}\ntls: {selfSigned: true}",
			[]string{"http://$(kubectl get service -n team demo-previewd -o jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}'):8080/",
				"https://$(kubectl get service -n team demo-previewd -o jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')/"}},
		"load balancer that redirects": {"service: {type: LoadBalancer, httpsPort: 8443}\ntls: {selfSigned: true}\nconfig: {HTTPS_REDIRECT: on}",
			[]string{"https://$(kubectl get service -n team demo-previewd -o jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}'):8443/"}},
		"node ports": {"service: {type: NodePort}\ntls: {selfSigned: true}",
			[]string{"http://NODE:$(kubectl get service -n team demo-previewd -o jsonpath='{.spec.ports[?(@.name==\"http\")].nodePort}')/",
				"https://NODE:$(kubectl get service -n team demo-previewd -o jsonpath='{.spec.ports[?(@.name==\"https\")].nodePort}')/"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := notes(t, dir, append(file(t, c.values), set(served)...)...)
			urls, _, _ := strings.Cut(strings.TrimPrefix(text, "The site is at\n"), "\n\n")
			var got []string
			for line := range strings.Lines(urls) {
				if line = strings.TrimSpace(line); !strings.HasSuffix(line, " in the cluster") && !strings.HasSuffix(line, " after") {
					got = append(got, line)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
