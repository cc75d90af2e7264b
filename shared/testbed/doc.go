// Package testbed starts real servers in containers of a named machine size, breaks
// them on purpose, and reads their CPU use and throttling from the kernel.
//
// A [Bed] is a private network with servers on it. Every container and network of a bed
// carries the labels of the process that owns it. Every [Start] first removes the leftovers
// of dead owners. So the next run cleans up after a killed run, and never touches a run that
// is in progress. Ports are published on 127.0.0.1 only. A server keeps its published ports
// and its address on the bed's network through Stop and Start, Disconnect and Reconnect, as
// a machine keeps its private address.
//
// testcontainers-go starts the containers. Package tcsetup configures it, and keeps the user's own
// settings for it away.
//
// When the environment is at fault, the error is or wraps an engine.Unavailable. Code that
// does not compile gives a gobuild.CompileError. A container that ended or did not become
// ready gives a [StartError], which holds its last log lines.
package testbed
