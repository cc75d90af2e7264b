// Package images provides the server images that the workshop runs on. Each is taken
// from the first place that has it: the engine, a bundle file, the registry, or, for
// rooms that reach a Debian mirror but no registry, a build from Debian packages. A
// local build keeps the contract of the official image (environment, command, ports,
// paths, user, stop signal, the log line that says ready), so nothing else needs to
// know which of them it got.
package images
