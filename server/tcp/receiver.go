package tcp

import "errors"

// ErrNoReceiver is reported where the socket at the other end cannot be seen: it is on another machine, in another
// network namespace, or closed for good.
var ErrNoReceiver = errors.New("the receiver's socket cannot be seen")
