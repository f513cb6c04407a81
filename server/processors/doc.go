// Package processors leaves to other programs the processors that they keep busy.
//
// A Go program runs on all processors it may use (GOMAXPROCS). Where others are busy too, with the clients of
// this server say, more threads are ready than there are processors: they displace each other, and are woken
// for processors that are taken. With one thread less each request costs less, and more are answered. Where
// processors are idle, the server is alone, or the machine is crowded, all of them are used.
//
// It also tells a server that is saturated, with the next request always there, from one that waits in between.
package processors
