package httpapi

import (
	"net/http"
	"time"
)

// NewServer returns a server for the API with every limit set that net/http leaves
// open: without them one client that sends a byte a minute holds a connection forever.
// The caller sets Addr and ErrorLog, and shuts it down.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		// Longer than any request's own deadline, so that a client which waits gets
		// the problem that names the timeout and not a torn connection.
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    75 * time.Second, // longer than nginx's 60 s, which then closes first
		MaxHeaderBytes: 16 << 10,
	}
}
