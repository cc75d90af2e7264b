// Package testbed starts real servers in containers of a named machine size, breaks
// them on purpose, and reads back what the kernel did to them.
//
// A [Bed] is a private network with servers on it. Everything a bed starts carries the
// labels of the process that owns it, and every [Start] first removes what dead owners
// left, so a run that was killed is cleaned up by the next one and a running one is
// never touched. Ports are published on 127.0.0.1 only. A server keeps its published
// ports and its address on the bed's network for as long as it exists, through Stop
// and Start, Disconnect and Reconnect, as a machine keeps its private address.
//
// Containers are started by testcontainers-go, which is configured by environment
// variables of the process and reads them once. Start sets, where they are unset:
//
//   - DOCKER_HOST, to the engine that package engine found;
//   - TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1, because testcontainers guesses another
//     host for published ports wherever a file /.dockerenv exists;
//   - TESTCONTAINERS_RYUK_DISABLED=true, because Ryuk, its reaper, publishes a port on
//     every interface, mounts the engine's socket and cannot be had offline. Sweeping
//     by owner does its work.
//
// Errors that are not the fault of the code under test are, or wrap, an
// engine.Unavailable. Code that does not compile is a [program.CompileError]. A container that
// ended or did not become ready is a [StartError], which carries its last log lines.
package testbed
