package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

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

// checkReferences wants all that names something else to find it.
func checkReferences(t *testing.T, o *objects) {
	checkSelectors(t, o)
	checkPorts(t, o)
	checkRoutes(t, o)
	checkOwners(t, o)
	checkEgress(t, o)
}

// checkEgress wants who may go only to some ports to be able to look names up.
func checkEgress(t *testing.T, o *objects) {
	for _, p := range o.policies {
		everywhere := len(p.Spec.Egress) == 0 // or nowhere
		for _, rule := range p.Spec.Egress {
			everywhere = everywhere || len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, func(p networking.NetworkPolicyPort) bool {
				return *p.Protocol == core.ProtocolUDP && p.Port.IntValue() == 53
			})
		}
		if !everywhere {
			t.Errorf("no name can be looked up: %+v", p.Spec.Egress)
		}
	}
}

// checkSelectors wants selectors that select the server's pods and no other of the chart.
func checkSelectors(t *testing.T, o *objects) {
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
}

// checkPorts wants the server's ports where its settings have them, Services and NetworkPolicies that lead to
// them by name, and the admin port, which has no access control, never published.
func checkPorts(t *testing.T, o *objects) {
	ports, settings := map[string]int32{}, o.settings(t)
	for _, p := range o.spec().Containers[0].Ports {
		for _, problem := range validation.IsValidPortName(p.Name) {
			t.Errorf("port %s: %s", p.Name, problem)
		}
		ports[p.Name] = p.ContainerPort
	}
	for name, variable := range map[string]string{"http": "PORT", "https": "TLS_PORT", "admin": "ADMIN_PORT"} {
		if port, there := ports[name]; there && fmt.Sprint(port) != settings[variable] {
			t.Errorf("port %s is %d, and %s is %s", name, port, variable, settings[variable])
		}
	}
	for _, s := range o.services {
		for _, p := range s.Spec.Ports {
			if ports[p.TargetPort.StrVal] == 0 {
				t.Errorf("the Service %s leads to port %s, which no container has", s.Name, p.TargetPort.StrVal)
			}
			if p.TargetPort.StrVal == "admin" && s.Spec.Type != core.ServiceTypeClusterIP {
				t.Errorf("the Service %s publishes the admin port", s.Name)
			}
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
}

// checkRoutes wants whatever leads to a Service to name a port that it has.
func checkRoutes(t *testing.T, o *objects) {
	there := map[string]bool{} // by name and port, which is a name or a number
	for _, s := range o.services {
		for _, p := range s.Spec.Ports {
			there[fmt.Sprintf("%s:%s", s.Name, p.Name)] = true
			there[fmt.Sprintf("%s:%d", s.Name, p.Port)] = true
		}
	}
	for _, i := range o.ingresses {
		for _, rule := range i.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				if to := p.Backend.Service; !there[to.Name+":"+to.Port.Name] {
					t.Errorf("the Ingress leads to %+v", to)
				}
			}
		}
	}
	for _, r := range o.routes {
		for _, rule := range r.Spec.Rules {
			for _, to := range rule.BackendRefs {
				if !there[fmt.Sprintf("%s:%d", to.Name, *to.Port)] {
					t.Errorf("the HTTPRoute leads to %+v", to)
				}
			}
		}
	}
	for _, m := range o.monitors {
		selected := slices.DeleteFunc(slices.Clone(o.services), func(s *core.Service) bool {
			return !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels))
		})
		if len(selected) != 1 || !there[selected[0].Name+":"+m.Spec.Endpoints[0].Port] {
			t.Errorf("the ServiceMonitor selects %d Services, or a port that is not there", len(selected))
		}
	}
	_, asked, _ := strings.Cut(o.pods[0].Spec.Containers[0].Args[1], "://") // http or https
	if service, _, _ := strings.Cut(asked, "/"); !there[service] || !strings.HasPrefix(service, o.deployment().Name+":") {
		t.Errorf("helm test asks %s", asked)
	}
}

// checkOwners wants the autoscaler, the certificate and the account to be those of the pods.
func checkOwners(t *testing.T, o *objects) {
	d := o.deployment()
	for _, a := range o.autoscalers {
		if a.Spec.ScaleTargetRef.Name != d.Name || d.Spec.Replicas != nil {
			t.Errorf("the autoscaler is for %s, and the Deployment has %v replicas", a.Spec.ScaleTargetRef.Name, d.Spec.Replicas)
		}
	}
	for _, c := range o.certificates {
		if !slices.ContainsFunc(o.spec().Volumes, func(v core.Volume) bool { return v.Secret != nil && v.Secret.SecretName == c.Spec.SecretName }) {
			t.Errorf("the certificate's Secret %s is not mounted", c.Spec.SecretName)
		}
	}
	for _, account := range o.serviceAccounts {
		if account.Name != o.spec().ServiceAccountName || *account.AutomountServiceAccountToken {
			t.Errorf("the account %s is not that of the pods, or has a token", account.Name)
		}
	}
}
