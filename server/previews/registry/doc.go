// Package registry is a client of an OCI registry: it reads the tags, images and layers of one repository, and nothing else.
// The protocol is the OCI distribution specification's; signing in and parsing names is github.com/google/go-containerregistry's.
//
// What the registry sends is not trusted. All but the layers is at most 4 MiB long. Layers have exactly the size and the
// digest that the manifest says, or reading them fails. Nothing waits for ever: an answer has to begin, a byte has to come,
// and all but a layer has to end within a time. Nothing is tried again here, but once when credentials have changed: the
// caller knows how often a thing is needed.
//
// # Where it connects to
//
// Registries redirect to other hosts (for layers mostly), and name the host that hands out tokens. So addresses are checked
// when they are dialled, after names have been resolved: link-local ones and those of clouds' metadata services are never
// dialled, and loopback ones only if the registry's own host is there. HTTPS is used for everything, and plain HTTP, if it is
// asked for, with the registry alone. At most five redirects are followed, none from HTTPS to HTTP.
//
// With HTTPS_PROXY the proxy is what is dialled, and it resolves the names. Then only addresses in URLs can be checked: which
// hosts may be reached is for the proxy to decide.
//
// # Credentials
//
// They are those of a Docker config.json, for the registry's host. They go to the registry, and to the host that it names for
// tokens (its realm), never to one that it redirects to. The file is read again when they are refused, as a mounted Secret is
// renewed. Credential helpers are programs, which the server does not start: an entry that names one is an error.
package registry
