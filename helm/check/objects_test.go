package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	podsecurity "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
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

// checkNames wants names and labels that Kubernetes takes, each name once in its kind.
func checkNames(t *testing.T, o *objects) {
	seen := map[string]bool{}
	for _, object := range o.all {
		key := fmt.Sprintf("%T %s", object, object.GetName())
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		for _, problem := range validation.IsDNS1123Subdomain(object.GetName()) {
			t.Errorf("%s: %s", key, problem)
		}
		if object.GetNamespace() != "team" && object.GetLabels()["helm.sh/chart"] != "" {
			t.Errorf("%s: namespace %q", key, object.GetNamespace())
		}
		checkLabels(t, key, object.GetLabels())
	}
	for _, s := range o.services {
		for _, problem := range validation.IsDNS1035Label(s.Name) {
			t.Errorf("the Service %s: %s", s.Name, problem)
		}
	}
	checkLabels(t, "the pods", o.deployment().Spec.Template.Labels)
}

func checkLabels(t *testing.T, of string, set map[string]string) {
	for key, value := range set {
		for _, problem := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			t.Errorf("%s: label %s=%s: %s", of, key, value, problem)
		}
	}
}

// checkReferences wants selectors that select the server's pods and nothing else of the chart, and ports, names
// and accounts that exist.
func checkReferences(t *testing.T, o *objects) {
	d, test := o.deployment(), o.pods[0]
	selectors := map[string]*meta.LabelSelector{"the Deployment": d.Spec.Selector}
	for _, s := range o.services {
		selectors["the Service "+s.Name] = &meta.LabelSelector{MatchLabels: s.Spec.Selector}
	}
	for _, p := range o.policies {
		selectors["the NetworkPolicy"] = &p.Spec.PodSelector
	}
	for _, b := range o.budgets {
		selectors["the PodDisruptionBudget"] = b.Spec.Selector
	}
	for i, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
		selectors[fmt.Sprintf("the spread %d", i)] = c.LabelSelector
	}
	for of, selector := range selectors {
		s, err := meta.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("%s does not select the pods: %v, %v", of, s, err)
		} else if s.Matches(labels.Set(test.Labels)) {
			t.Errorf("%s selects the pod of helm test", of)
		}
	}

	ports := map[string]int32{}
	for _, p := range o.spec().Containers[0].Ports {
		for _, problem := range validation.IsValidPortName(p.Name) {
			t.Errorf("port %s: %s", p.Name, problem)
		}
		ports[p.Name] = p.ContainerPort
	}
	settings := o.settings(t)
	for name, variable := range map[string]string{"http": "PORT", "https": "TLS_PORT", "admin": "ADMIN_PORT"} {
		if port, there := ports[name]; there && fmt.Sprint(port) != settings[variable] {
			t.Errorf("port %s is %d, and %s is %s", name, port, variable, settings[variable])
		}
	}
	servicePorts := map[string]bool{}
	for _, s := range o.services {
		for _, p := range s.Spec.Ports {
			if ports[p.TargetPort.StrVal] == 0 {
				t.Errorf("the Service %s leads to port %s, which no container has", s.Name, p.TargetPort.StrVal)
			}
			servicePorts[fmt.Sprintf("%s:%s", s.Name, p.Name)] = true
			servicePorts[fmt.Sprintf("%s:%d", s.Name, p.Port)] = true
		}
	}
	for _, p := range o.policies {
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				if ports[port.Port.StrVal] == 0 {
					t.Errorf("the NetworkPolicy names port %s, which no container has", port.Port.StrVal)
				}
			}
		}
	}
	for _, i := range o.ingresses {
		for _, rule := range i.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				if to := p.Backend.Service; !servicePorts[to.Name+":"+to.Port.Name] {
					t.Errorf("the Ingress leads to %+v", to)
				}
			}
		}
	}
	for _, r := range o.routes {
		for _, rule := range r.Spec.Rules {
			for _, to := range rule.BackendRefs {
				if !servicePorts[fmt.Sprintf("%s:%d", to.Name, *to.Port)] {
					t.Errorf("the HTTPRoute leads to %+v", to)
				}
			}
		}
	}
	for _, a := range o.autoscalers {
		if a.Spec.ScaleTargetRef.Name != d.Name || d.Spec.Replicas != nil {
			t.Errorf("the autoscaler is for %s, and the Deployment has %v replicas", a.Spec.ScaleTargetRef.Name, d.Spec.Replicas)
		}
	}
	for _, m := range o.monitors {
		selected := 0
		for _, s := range o.services {
			if labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
				selected++
				for _, e := range m.Spec.Endpoints {
					if !servicePorts[s.Name+":"+e.Port] {
						t.Errorf("the ServiceMonitor asks port %s", e.Port)
					}
				}
			}
		}
		if selected != 1 {
			t.Errorf("the ServiceMonitor selects %d Services", selected)
		}
	}
	for _, c := range o.certificates {
		if !slices.ContainsFunc(o.spec().Volumes, func(v core.Volume) bool { return v.Secret != nil && v.Secret.SecretName == c.Spec.SecretName }) {
			t.Errorf("the certificate's Secret %s is not mounted", c.Spec.SecretName)
		}
	}
	// The Service of the site never has the admin port, which has no access control.
	for _, s := range o.services {
		for _, p := range s.Spec.Ports {
			if p.TargetPort.StrVal == "admin" && s.Spec.Type != core.ServiceTypeClusterIP {
				t.Errorf("the Service %s publishes the admin port", s.Name)
			}
		}
	}
	for _, account := range o.serviceAccounts {
		if account.Name != o.spec().ServiceAccountName || *account.AutomountServiceAccountToken {
			t.Errorf("the account %s is not that of the pods, or has a token", account.Name)
		}
	}
	if url := "http://" + o.services[slices.IndexFunc(o.services, func(s *core.Service) bool { return s.Name == d.Name })].Name + ":80/"; !strings.HasPrefix(test.Spec.Containers[0].Args[1], url) {
		t.Errorf("helm test asks for %q", test.Spec.Containers[0].Args)
	}
}

// checkContainers wants what every container should have: a fixed image, bounded memory, volumes that exist and
// are mounted once, every name once.
func checkContainers(t *testing.T, o *objects) {
	for _, spec := range []*core.PodSpec{o.spec(), &o.pods[0].Spec} {
		volumes := map[string]bool{}
		for _, v := range spec.Volumes {
			if volumes[v.Name] {
				t.Errorf("volume %s is there twice", v.Name)
			}
			volumes[v.Name] = true
		}
		if *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks || spec.HostNetwork || spec.HostPID || spec.HostIPC {
			t.Error("the pod has a token, service links or a part of the host")
		}
		names := map[string]bool{}
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			if names[c.Name] {
				t.Errorf("container %s is there twice", c.Name)
			}
			names[c.Name] = true
			if c.Image == "" || strings.HasSuffix(c.Image, ":latest") || !strings.Contains(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":") {
				t.Errorf("%s: image %s has no fixed tag", c.Name, c.Image)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources %+v", c.Name, c.Resources)
			}
			if !*c.SecurityContext.ReadOnlyRootFilesystem {
				t.Errorf("%s: its root can be written to", c.Name)
			}
			variables := map[string]bool{}
			for _, e := range c.Env {
				if variables[e.Name] {
					t.Errorf("%s: variable %s is there twice", c.Name, e.Name)
				}
				variables[e.Name] = true
			}
			paths := map[string]bool{}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] || paths[m.MountPath] {
					t.Errorf("%s: %s at %s does not exist, or is the second there", c.Name, m.Name, m.MountPath)
				}
				paths[m.MountPath] = true
				if m.Name == "content" && c.Name == "previewd" && !m.ReadOnly {
					t.Error("the server can write to the content")
				}
			}
		}
	}
	server := o.spec().Containers[0]
	for path, probe := range map[string]*core.Probe{"/livez": server.LivenessProbe, "/livez ": server.StartupProbe, "/readyz": server.ReadinessProbe} {
		if probe == nil || probe.HTTPGet.Path != strings.TrimSpace(path) || probe.HTTPGet.Port.StrVal != "admin" || probe.HTTPGet.Scheme != "" {
			t.Errorf("the probe of %s: %+v", path, probe)
		}
	}
}

// checkGracePeriod wants time for the delay, the drain and a little more.
func checkGracePeriod(t *testing.T, o *objects) {
	settings := o.settings(t)
	var sum time.Duration
	for _, variable := range []string{"SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT"} {
		d, err := time.ParseDuration(settings[variable])
		if err != nil {
			t.Errorf("%s: %v", variable, err)
		}
		sum += d
	}
	grace := time.Duration(*o.spec().TerminationGracePeriodSeconds) * time.Second
	if grace < sum+5*time.Second || grace > sum+6*time.Second {
		t.Errorf("the grace period is %v, delay and timeout together %v", grace, sum)
	}
}

// checkSecurity asks Kubernetes' own Pod Security rules: restricted, or not even baseline for paths of the host.
func checkSecurity(t *testing.T, o *objects, restricted bool) {
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range []struct {
		meta *meta.ObjectMeta
		spec *core.PodSpec
		want bool
	}{
		{&o.deployment().Spec.Template.ObjectMeta, o.spec(), restricted},
		{&o.pods[0].ObjectMeta, &o.pods[0].Spec, true},
	} {
		for level, want := range map[podsecurity.Level]bool{podsecurity.LevelRestricted: pod.want, podsecurity.LevelBaseline: pod.want, podsecurity.LevelPrivileged: true} {
			result := security.AggregateCheckResults(evaluator.EvaluatePod(podsecurity.LevelVersion{Level: level, Version: podsecurity.LatestVersion()}, pod.meta, pod.spec))
			if result.Allowed != want {
				t.Errorf("%s allows it: %v, want %v: %s", level, result.Allowed, want, result.ForbiddenDetail())
			}
		}
	}
}
