// Package secure uses TLS on connections, by crypto/tls: it makes the handshake, reports those that fail, and hands
// the connection to the engine of the protocol that ALPN has chosen.
package secure
