// Package origin has the handlers that settle who asks, and by which scheme: what trusted proxies say of a
// request, and the redirect of plain HTTP to HTTPS.
package origin
