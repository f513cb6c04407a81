// Fileserver is net/http's FileServer in ten lines.
//
//	fileserver ADDRESS DIRECTORY [CERTIFICATE]
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	handler := http.FileServer(http.Dir(os.Args[2]))
	if len(os.Args) > 3 { // a certificate with its key behind it
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[3], os.Args[3], handler))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
