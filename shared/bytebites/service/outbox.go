package service

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
)

// errNoOutbox is the error of each call on the outbox and the claims of a composition that has
// no outbox.
var errNoOutbox = errors.New("composition without an outbox: set Composition.Outbox")

// schemaChanges returns the changes of the composition, and the tables of the outbox if it has
// one.
func (c Composition) schemaChanges() []SchemaChange {
	if !c.Outbox {
		return c.SchemaChanges
	}
	return append(slices.Clone(c.SchemaChanges), SchemaChange{Name: "outbox", SQL: outbox.Schema})
}

// OutboxOn returns the outbox and the claims on a server of user data. Their tables are part of
// the server's schema if the composition has an outbox; otherwise each of their calls returns an
// error and sends nothing to the server.
func (r Resources) OutboxOn(db *sql.DB) (bytebites.Outbox, bytebites.Claims) {
	if !r.outbox {
		return noOutbox{}, noOutbox{}
	}
	return outbox.New(db), outbox.NewClaims(db)
}

// noOutbox is the outbox and the claims of a composition that has no outbox.
type noOutbox struct{}

func (noOutbox) Add(context.Context, bytebites.UserID, ...bytebites.Event) error { return errNoOutbox }

func (noOutbox) Claim(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect, time.Duration) (bool, error) {
	return false, errNoOutbox
}

func (noOutbox) Release(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect) error {
	return errNoOutbox
}
