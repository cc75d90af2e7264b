// Package cli is the workshop's command line, `go tool workshop`. It imports no lab, so that
// half-typed code in a lab never breaks the tool. It compiles a lab's test, runs it as a program
// of its own, and reads a result file. It imports no testcontainers, so that it builds fast.
package cli
