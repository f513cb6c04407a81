// Loop answers every request with the bytes of a file and looks at nothing but where the request ends: what a
// server in Go cannot be cheaper than. A third argument makes it close the connection after each answer.
//
//	loop ADDRESS FILE [close]
package main

import (
	"bytes"
	"log"
	"net"
	"os"
)

func main() {
	answer, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(connection, answer, len(os.Args) > 3)
	}
}

func serve(connection net.Conn, answer []byte, once bool) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	n := 0
	for n < len(buffer) {
		more, err := connection.Read(buffer[n:])
		if err != nil {
			return
		}
		n += more
		if !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
			continue
		}
		if _, err := connection.Write(answer); err != nil || once {
			return
		}
		n = 0
	}
}
