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
// testcontainers-go starts the containers. It reads environment variables once in a process.
// [Start] sets these where they are unset:
//
//   - DOCKER_HOST, to the engine that package engine found;
//   - TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1, because testcontainers guesses another
//     host for published ports when the file /.dockerenv exists;
//   - TESTCONTAINERS_RYUK_DISABLED=true, because Ryuk, its reaper, publishes a port on
//     every interface, mounts the engine's socket, and needs an image from a registry. The
//     sweep does the same work.
//
// When the environment is at fault, the error is or wraps an engine.Unavailable. Code that
// does not compile gives a gobuild.CompileError. A container that ended or did not become
// ready gives a [StartError], which holds its last log lines.
package testbed
