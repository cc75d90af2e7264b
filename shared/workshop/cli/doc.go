// Package cli is the workshop's command line, `go tool workshop`. It imports no lab and
// no testcontainers: labs are compiled and run as programs of their own and answer
// through a result file, so that half-typed code in one lab never breaks the tool.
package cli
