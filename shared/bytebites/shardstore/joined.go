package shardstore

import (
	"context"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// joined is an Access for calls that come in the midst of a change, such as those that
// Orders.Place makes within: what is about the same subscriber goes to the server that the
// change is on, into its transaction. By way of the Access it would be a change of its own, by a map
// that may be another by now, behind a fence that the first holds, and copied before it is
// committed.
type joined struct{ Access }

// changeOf is the context key of a change that is under way; its value is the stores of the
// server that it is on.
type changeOf struct {
	access *joined
	user   bytebites.UserID
}

func (j *joined) Read(ctx context.Context, user bytebites.UserID, ask Question) (any, error) {
	if at, ok := ctx.Value(changeOf{j, user}).(service.UserData); ok {
		return ask(ctx, at)
	}
	return j.Access.Read(ctx, user, ask)
}

func (j *joined) Write(ctx context.Context, user bytebites.UserID, make Change) error {
	if at, ok := ctx.Value(changeOf{j, user}).(service.UserData); ok {
		return make(ctx, at)
	}
	return j.Access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return make(context.WithValue(ctx, changeOf{j, user}, at), at)
	})
}
