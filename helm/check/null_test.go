package check

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// keys lists the path of every key of values, with dots between the names.
func keys(node *yaml.Node, prefix string) (paths []string) {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(node.Content); i += 2 {
		path := prefix + strings.ReplaceAll(node.Content[i].Value, ".", `\.`)
		paths = append(append(paths, path), keys(node.Content[i+1], path+".")...)
	}
	return paths
}

// defaults is values.yaml.
func defaults(t testing.TB) *yaml.Node {
	t.Helper()
	text, err := os.ReadFile(chart + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document.Content[0]
}

// TestNull: null in place of any value, which is how helm takes a default away, renders or is refused in words.
func TestNull(t *testing.T) {
	words := regexp.MustCompile(`^("|there is|[a-zA-Z.]+[: ])`)
	for _, source := range []string{served, "content.git.repository=https://example.com/site,content.git.secret=a,tls.selfSigned=true,autoscaling.enabled=true,ingress.enabled=true,serviceMonitor.enabled=true,dashboard.enabled=true",
		served + ",replicaCount=2,tls.certManager.enabled=true,tls.certManager.issuerRef.name=a,httpRoute.enabled=true,httpRoute.parentRefs[0].name=a,prometheusRule.enabled=true"} {
		for _, path := range keys(defaults(t), "") {
			if strings.Contains(","+source, ","+path+"=") {
				continue
			}
			t.Run(fmt.Sprintf("%.15s %s", source, path), func(t *testing.T) {
				t.Parallel()
				got := refusal(t, set(source, path+"=null")...)
				if strings.HasPrefix(got, "nothing is wrong") {
					if strings.Contains(got, "%!") || strings.Contains(got, "<nil>") {
						t.Errorf("%s=null: %s", path, got)
					}
					decode(t, strings.TrimPrefix(got, "nothing is wrong:\n"))
					return
				}
				if !words.MatchString(got) || strings.Contains(got, "Error") || strings.Contains(got, "error calling") {
					t.Errorf("%s=null: %s", path, got)
				}
			})
		}
	}
}
