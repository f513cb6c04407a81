// Fileserver is net/http's FileServer in ten lines.
//
//	fileserver ADDRESS DIRECTORY [CERTIFICATE KEY]
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	handler := http.FileServer(http.Dir(os.Args[2]))
	if len(os.Args) > 4 {
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[3], os.Args[4], handler))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
