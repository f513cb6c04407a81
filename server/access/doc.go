// Package access decides who may ask: by the host that a request names (Hosts), and by name and password (Guard, RFC
// 7617). Each is a handler around another one, and both say in their answer what the operator has to set.
package access
