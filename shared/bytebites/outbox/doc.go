// Package outbox implements a transactional outbox. It stores an event in the database of its
// order, so that one transaction commits both or neither. A relay publishes the events later and
// retries until the broker confirms them. Delivery is at-least-once: no event is lost, and some
// are published twice.
//
// An outbox belongs to its server, not to the subscribers of its events. When a subscriber moves
// to another server (lab 04), earlier events stay in the old server's outbox. The relay must
// therefore empty the outboxes of all servers.
//
// Claims of effects live in the same database, so they are part of this package. So is the JSON
// form that an event has in an outbox and in a message.
package outbox

import "bytebites.example/workshop/shared/bytebites"

var (
	_ bytebites.Outbox = (*Store)(nil)
	_ bytebites.Claims = (*Claims)(nil)
)
