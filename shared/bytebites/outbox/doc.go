// Package outbox keeps events beside what they tell of, in the same database, so that one
// transaction makes both or neither; and hands them on later, as often as it takes. No event
// is lost, and some are handed on twice.
//
// An outbox belongs to its server, not to the subscribers of whom it tells: when they move
// (lab 04), their events still leave from where they were written. So somebody has to empty the
// outboxes of all servers.
//
// Package outbox also has the claims of effects, which live beside the orders too, and the
// form that events have in an outbox and in a message.
package outbox

import "bytebites.example/workshop/shared/bytebites"

var (
	_ bytebites.Outbox = (*Store)(nil)
	_ bytebites.Claims = (*Claims)(nil)
)
