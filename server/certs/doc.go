// Package certs loads the certificate of a TLS listener: a chain and its key, from the files that http.server's
// options --tls-cert, --tls-key and --tls-password-file name. It keeps them up to date while the server runs.
// Package devca makes a certificate for development.
package certs
