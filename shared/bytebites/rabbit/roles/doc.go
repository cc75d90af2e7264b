// Package roles holds the programs of lab 05 that run beside the API: a relay that empties
// outboxes, a worker that handles messages, and the replay of the log. Only the parts that the lab
// does not teach are here. The lab and its solution pass in how events are published and messages
// handled. This package imports neither.
package roles
