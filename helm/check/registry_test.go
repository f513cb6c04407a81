package check

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/testdata/docker"
)

// privateRegistry is a registry that containers can reach, and that asks for a password.
type privateRegistry struct {
	repository string
	password   atomic.Value // a string
}

// startRegistry starts one at the address that the engine's host has in the network of its containers.
func startRegistry(t *testing.T) *privateRegistry {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(docker.Output(t, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	r := &privateRegistry{repository: listener.Addr().String() + "/team/app"}
	r.password.Store("first")
	all := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "reader" || password != r.password.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		all.ServeHTTP(w, req)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// push pushes an image with a page.
func (r *privateRegistry) push(t *testing.T, tag, page string) {
	t.Helper()
	to, err := name.NewTag(r.repository+":"+tag, name.Insecure)
	if err == nil {
		image := registrytest.Image(t, map[string]string{"index.html": page})
		err = remote.Write(to, image, remote.WithAuth(&authn.Basic{Username: "reader", Password: r.password.Load().(string)}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// secret is what a Secret of type kubernetes.io/dockerconfigjson has for it.
func (r *privateRegistry) secret() map[string]string {
	host, _, _ := strings.Cut(r.repository, "/")
	auth := base64.StdEncoding.EncodeToString([]byte("reader:" + r.password.Load().(string)))
	return map[string]string{"config.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)}
}

// TestDockerRegistry: the pod's container shows the tags of a private registry with the mounted Secret, also after another
// password was put there, and writes nothing but its own volume.
func TestDockerRegistry(t *testing.T) {
	if os.Getenv("PREVIEWD_DOCKER") == "" {
		t.Skip("PREVIEWD_DOCKER is not set: no container is run")
	}
	images := startRegistry(t)
	o := renderForDocker(t, set("previews.repository="+images.repository, "previews.pullSecret=registry", "previews.size=64Mi",
		"config.PREVIEWS_INSECURE=true", "config.PREVIEWS_CHECK=1s", "service.port=8000")...)
	store, secret := folder(t), folder(t)
	if err := os.Chmod(store, 0o777); err != nil { // as an emptyDir is
		t.Fatal(err)
	}
	publish(t, secret, images.secret())
	images.push(t, "pr-42", "forty-two\n")
	r := serving(t, o, map[string]string{"previews": store, "pull-secret": secret})
	client := plain()
	client.Timeout = time.Minute // a first visit may wait 30 s
	client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, r.port("http"))
	}}
	shows := func(preview, want string) {
		t.Helper()
		docker.Await(t, 2*time.Minute, preview+" shows "+want, func() error {
			if resp, got := fetch(t, client, "http://"+preview+".localhost/"); got != want {
				return fmt.Errorf("%s %q", resp.Status, got)
			}
			return nil
		})
	}
	shows("pr-42", "forty-two\n")
	images.push(t, "pr-42", "forty-two, again\n")
	shows("pr-42", "forty-two, again\n")

	images.password.Store("second")
	publish(t, secret, images.secret())
	images.push(t, "pr-43", "forty-three\n")
	shows("pr-43", "forty-three\n")
	docker.Await(t, 2*time.Minute, "the overview by the pod's address", func() error {
		if resp, got := fetch(t, plain(), "http://"+r.port("http")+"/"); resp.StatusCode != 200 || !strings.Contains(got, "pr-42") || !strings.Contains(got, "pr-43") {
			return errors.New(resp.Status + got)
		}
		return nil
	})

	// helm test, by the name of the Service.
	test := o.pods[0]
	args := append([]string{"run", "--rm", "--add-host", o.deployment().Name + ":" + r.address}, asPod(t, o, &test.Spec, test.Spec.Containers[0])...)
	args = append(append(args, test.Spec.Containers[0].Image), test.Spec.Containers[0].Args...)
	if out, err := docker.Command(args...).CombinedOutput(); err != nil {
		t.Errorf("helm test: %v\n%s", err, out)
	}
	r.stop(t)
}
