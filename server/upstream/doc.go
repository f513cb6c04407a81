// Package upstream asks other servers for the answers to some paths: an API beside the site. net/http's Transport speaks
// with them; what is here maps requests and answers between it and package message, and decides what may pass.
//
// It is a gateway (RFC 9110, section 3.7). Fields that are of one connection stay on it, content is streamed in both
// directions and never held, and a connection that is switched to another protocol becomes a tunnel.
package upstream
