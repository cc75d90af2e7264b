// Package images provides the workshop's server images. It takes each image from the first
// source that has it: the engine, a bundle file, the registry, a build from Debian packages.
// The build is for rooms that reach a Debian mirror but no registry. A local build keeps the
// contract of the official image: environment, command, ports, paths, user, stop signal, and
// the log line that says ready. So other packages work with either.
package images
