package httpapi

import (
	"net/http"
	"time"
)

// NewServer returns a server for the API. It sets every limit that net/http leaves open: otherwise
// a client that sends one byte a minute would hold a connection forever. The caller sets Addr and
// ErrorLog, and shuts the server down.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		// Longer than the deadline of any request. So a client that waits gets the problem about
		// the timeout, not a closed connection.
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    75 * time.Second, // longer than nginx's 60 s, so that nginx closes first
		MaxHeaderBytes: 16 << 10,
	}
}
