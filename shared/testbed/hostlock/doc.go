// Package hostlock coordinates the workshop's processes on one machine. Labels name the
// process that owns a container, so that a sweep removes the leftovers of dead processes and
// never touches those of living ones. Locks and slots are shared by all processes, which get
// them in the order in which they asked. The kernel releases them when their holder ends.
package hostlock
