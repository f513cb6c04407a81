package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// explained are the findings of kube-score that stay, and why.
var explained = map[string]string{
	"CPU limit is not set":                                "a limit of processor time makes answers wait in a node that has time to spare; the request is what scheduling goes by",
	"ImagePullPolicy is not set to Always":                "tags are fixed, and an image loaded into a development cluster is in no registry; image.pullPolicy changes it",
	"Ephemeral Storage limit is not set":                  "the root is read-only and only the log is written, which the kubelet bounds; a limit would have pods with large repositories evicted",
	"Ephemeral Storage request is not set":                "as above",
	"Deployment few replicas":                             "one is the default of a development cluster; replicaCount",
	"Deployment does not have a host podAntiAffinity set": "topologySpreadConstraints do that",
	"The pod does not have a matching NetworkPolicy":      "the pod of helm test lives for a second and listens to nobody",
	"The service is of type NodePort":                     "an example of values",
	"Deployment update strategy":                          "an example of values: Recreate, for a claim that one node alone may mount",
	"The container running with a low group ID":           "an example of values, as OpenShift has it: any user, group 0",
}

// container is the part of a finding that names one.
var container = regexp.MustCompile(`^\([a-z-]+\) `)

// TestKubeScore: kube-score finds nothing that is not explained, and every explanation is of something.
func TestKubeScore(t *testing.T) {
	program := tool(t, "KUBE_SCORE", "kube-score")
	var mutex sync.Mutex
	found := map[string]bool{}
	t.Run("examples", func(t *testing.T) {
		for name, args := range examples(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				manifest := filepath.Join(t.TempDir(), "all.yaml")
				if err := os.WriteFile(manifest, []byte(render(t, args...)), 0o644); err != nil {
					t.Fatal(err)
				}
				// It exits with 1 where it finds something, explained or not.
				out, err := exec.Command(program, "score", "--kubernetes-version", "v1.36", "--output-format", "ci", manifest).Output()
				if len(out) == 0 {
					t.Fatalf("it says nothing: %v", err)
				}
				for line := range strings.Lines(string(out)) {
					level, rest, _ := strings.Cut(strings.TrimSpace(line), "] ")
					if level == "[OK" || level == "[SKIPPED" {
						continue
					}
					_, finding, _ := strings.Cut(rest, ": ")
					finding = container.ReplaceAllString(finding, "")
					mutex.Lock()
					found[finding] = true
					mutex.Unlock()
					if explained[finding] == "" {
						t.Errorf("%s", line)
					}
				}
			})
		}
	})
	for finding, why := range explained {
		if why != "" && !found[finding] {
			t.Errorf("nothing has %q any more", finding)
		}
	}
}
