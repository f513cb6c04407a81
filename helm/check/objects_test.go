package check

import (
	"regexp"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// objects is what one rendering has, in Go's types, by kind.
type objects struct {
	deployments     []*apps.Deployment
	services        []*core.Service
	configMaps      []*core.ConfigMap
	serviceAccounts []*core.ServiceAccount
	pods            []*core.Pod
	policies        []*networking.NetworkPolicy
	ingresses       []*networking.Ingress
	budgets         []*policy.PodDisruptionBudget
	autoscalers     []*autoscaling.HorizontalPodAutoscaler
	monitors        []*monitoring.ServiceMonitor
	rules           []*monitoring.PrometheusRule
	routes          []*gateway.HTTPRoute
	certificates    []*certmanager.Certificate
	all             []meta.Object
}

// add decodes text strictly into a new object of the list: an unknown or repeated field is an error.
func add[T any, P interface {
	*T
	meta.Object
}](o *objects, list *[]P, text string) error {
	object := P(new(T))
	*list = append(*list, object)
	o.all = append(o.all, object)
	return yaml.UnmarshalStrict([]byte(text), object)
}

var separator = regexp.MustCompile(`(?m)^---\n`)

// decode reads the documents of a rendering.
func decode(t testing.TB, text string) *objects {
	t.Helper()
	o := &objects{}
	for _, document := range separator.Split(text, -1) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		var err error
		switch kind.APIVersion + " " + kind.Kind {
		case " ":
			if content := strings.TrimSpace(document); content != "" && !strings.HasPrefix(content, "# Source: ") {
				t.Errorf("a document without a kind: %q", document)
			}
		case "apps/v1 Deployment":
			err = add(o, &o.deployments, document)
		case "v1 Service":
			err = add(o, &o.services, document)
		case "v1 ConfigMap":
			err = add(o, &o.configMaps, document)
		case "v1 ServiceAccount":
			err = add(o, &o.serviceAccounts, document)
		case "v1 Pod":
			err = add(o, &o.pods, document)
		case "networking.k8s.io/v1 NetworkPolicy":
			err = add(o, &o.policies, document)
		case "networking.k8s.io/v1 Ingress":
			err = add(o, &o.ingresses, document)
		case "policy/v1 PodDisruptionBudget":
			err = add(o, &o.budgets, document)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			err = add(o, &o.autoscalers, document)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			err = add(o, &o.monitors, document)
		case "monitoring.coreos.com/v1 PrometheusRule":
			err = add(o, &o.rules, document)
		case "gateway.networking.k8s.io/v1 HTTPRoute":
			err = add(o, &o.routes, document)
		case "cert-manager.io/v1 Certificate":
			err = add(o, &o.certificates, document)
		default:
			t.Errorf("an object of a kind that nobody knows: %+v", kind)
		}
		if err != nil {
			t.Errorf("%s: %v in\n%s", kind.Kind, err, document)
		}
	}
	if len(o.deployments) != 1 || len(o.services) == 0 || len(o.pods) != 1 {
		t.Fatalf("%d deployments, %d services, %d pods", len(o.deployments), len(o.services), len(o.pods))
	}
	return o
}

func (o *objects) deployment() *apps.Deployment { return o.deployments[0] }

func (o *objects) spec() *core.PodSpec { return &o.deployments[0].Spec.Template.Spec }

// settings is the ConfigMap that the server has its variables from.
func (o *objects) settings(t testing.TB) map[string]string {
	t.Helper()
	for _, c := range o.configMaps {
		if c.Name == o.deployment().Name {
			return c.Data
		}
	}
	t.Fatal("there is no ConfigMap of settings")
	return nil
}

// TestObjects: every rendering of the examples decodes strictly, what belongs together finds each other, and
// names are short and plain enough for where they stand. So it is with the longest name of a release.
func TestObjects(t *testing.T) {
	long := strings.Repeat("long-", 10) + "end" // 53 characters, as many as helm takes
	for name, args := range examples(t) {
		for _, release := range []string{"demo", long} {
			t.Run(name+" "+release[:4], func(t *testing.T) {
				t.Parallel()
				o := decode(t, renderAs(t, release, args...))
				checkNames(t, o)
				checkReferences(t, o)
				checkContainers(t, o)
				checkGracePeriod(t, o)
				checkSecurity(t, o, name != "hostpath")
			})
		}
	}
}
