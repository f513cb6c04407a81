package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/message"
)

// serveUntilRead serves handler on a loopback port, sends it one request, and prints the answer's status
// line and content.
func serveUntilRead(s *server.Server, request string) {
	l, err := server.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	// Serve goes on until its context ends, whatever condition ends it: run_while_true of http.server.
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()

	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(conn, request)
	text, err := io.ReadAll(conn)
	if err != nil {
		fmt.Println(err)
	}
	stop()
	if err = <-ended; err != nil {
		fmt.Println(err)
	}
	head, content, _ := strings.Cut(string(text), "\r\n\r\n")
	status, _, _ := strings.Cut(head, "\r\n")
	fmt.Println(status)
	fmt.Println(content)
}

// A handler with a method of its own, as do_SPAM is in a subclass of BaseHTTPRequestHandler.
func Example_method() {
	spam := func(_ context.Context, r *message.Request) message.Response {
		return message.Response{
			Status: 200,
			Fields: message.Fields{{Name: "Content-Type", Value: "text/plain"}},
			Body:   message.Bytes("spam, spam and " + strings.TrimPrefix(r.Target, "/")),
		}
	}
	s := &server.Server{Handler: message.Methods{"SPAM": spam}.Serve}
	serveUntilRead(s, "SPAM /eggs HTTP/1.0\r\n\r\n")
	// Output:
	// HTTP/1.1 200 OK
	// spam, spam and eggs
}

// A method that no handler has is answered with 501, and the page can be the program's own.
func Example_error() {
	s := &server.Server{
		Handler: message.Methods{}.Serve,
		Profile: message.Profile{
			Server: "Breakfast/1.0", Protocol: "HTTP/1.0",
			ErrorFormat: "%(code)d: %(message)s", ErrorContentType: "text/plain",
		},
	}
	serveUntilRead(s, "SPAM / HTTP/1.0\r\n\r\n")
	// Output:
	// HTTP/1.0 501 Unsupported method ('SPAM')
	// 501: Unsupported method ('SPAM')
}

// Content of unknown length is made while it is sent.
func Example_stream() {
	count := func(context.Context, *message.Request) message.Response {
		return message.Response{Status: 200, Body: message.NewStream(func(w io.Writer) error {
			for i := range 3 {
				if _, err := fmt.Fprintln(w, i); err != nil {
					return err
				}
			}
			return nil
		})}
	}
	serveUntilRead(&server.Server{Handler: message.Methods{"GET": count}.Serve}, "GET / HTTP/1.0\r\n\r\n")
	// Output:
	// HTTP/1.1 200 OK
	// 0
	// 1
	// 2
}
