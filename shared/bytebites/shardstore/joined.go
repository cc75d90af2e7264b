package shardstore

import (
	"context"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// joined is an Access for calls inside a change, such as those of the function that Orders.Place
// runs. A call about the same subscriber joins the transaction of the change, on the same server.
// Through the plain Access it would be a second change. That change could use another map, could
// wait at a fence that the first change holds, and would be copied before the first commits.
type joined struct{ Access }

// changeOf is the context key of a change in progress. Its value is the stores of the change's
// server.
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
