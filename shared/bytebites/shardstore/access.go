package shardstore

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Question asks one server's stores something and changes nothing, so that it may be asked of
// several servers, at the same time and more than once. Two answers to it that say the same
// are equal by reflect.DeepEqual.
type Question func(ctx context.Context, at service.UserData) (any, error)

// Change changes what one server has of one subscriber. What it does with its context is one
// transaction, when its caller has begun one. It may be called again only when nothing of the
// first call has stayed.
type Change func(ctx context.Context, at service.UserData) error

// Access leads to the servers that have the data. All methods may be called by many at once.
type Access interface {
	// Read asks a question about one subscriber and returns the answer as it is.
	Read(ctx context.Context, user bytebites.UserID, ask Question) (any, error)
	// Write makes a change to one subscriber's data, once. An error says that it was not
	// made, or, where a commit got no answer, that nobody can tell.
	Write(ctx context.Context, user bytebites.UserID, make Change) error
	// Everywhere asks a question about everybody, and returns an answer for each server that
	// gave one, in any order. Together they are about no subscriber twice.
	Everywhere(ctx context.Context, ask Question) ([]any, error)
}

// ask is Access.Read for answers of one type.
func ask[T any](ctx context.Context, to Access, user bytebites.UserID, question func(context.Context, service.UserData) (T, error)) (T, error) {
	answer, err := to.Read(ctx, user, untyped(question))
	if err != nil {
		var none T
		return none, err
	}
	return typed[T](answer)
}

// askAll is Access.Everywhere for answers of one type.
func askAll[T any](ctx context.Context, to Access, question func(context.Context, service.UserData) (T, error)) ([]T, error) {
	answers, err := to.Everywhere(ctx, untyped(question))
	if err != nil {
		return nil, err
	}
	all := make([]T, len(answers))
	for i, answer := range answers {
		if all[i], err = typed[T](answer); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func untyped[T any](question func(context.Context, service.UserData) (T, error)) Question {
	return func(ctx context.Context, at service.UserData) (any, error) { return question(ctx, at) }
}

// typed returns an answer that went through an Access, or an error when that is another one.
func typed[T any](answer any) (T, error) {
	same, ok := answer.(T)
	if !ok {
		return same, fmt.Errorf("asked for %T, and got %T: an answer must be returned as it is", same, answer)
	}
	return same, nil
}
