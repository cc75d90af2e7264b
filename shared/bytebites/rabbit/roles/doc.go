// Package roles has the programs of lab 05 beside the API, as far as they are not what the lab
// is about: a relay that empties outboxes, a worker that handles messages, and the replay of
// the log. How events are published and messages handled, the lab says, and the solution. They
// share this package, which knows neither.
package roles
