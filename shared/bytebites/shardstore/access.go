package shardstore

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Question reads from one server's stores and changes nothing. So it may be asked of several
// servers, at the same time and more than once. Equal answers must be equal by reflect.DeepEqual.
type Question func(ctx context.Context, at service.UserData) (any, error)

// Change changes one subscriber's data on one server. Its context carries the caller's transaction,
// if there is one. It may be called again only if the first call left no effect.
type Change func(ctx context.Context, at service.UserData) error

// Access leads to the servers that have the data. Its methods are safe for concurrent use.
type Access interface {
	// Read asks a question about one subscriber and returns the answer unchanged.
	Read(ctx context.Context, user bytebites.UserID, ask Question) (any, error)
	// Write makes a change to one subscriber's data, once. An error means that the change was not
	// made or, if a commit got no answer, that its outcome is unknown.
	Write(ctx context.Context, user bytebites.UserID, make Change) error
	// Everywhere asks a question about all subscribers and returns one answer for each server that
	// gave one, in any order. No subscriber is counted in two answers.
	Everywhere(ctx context.Context, ask Question) ([]any, error)
}

// ask is Access.Read for one type of answer.
func ask[T any](ctx context.Context, to Access, user bytebites.UserID, question func(context.Context, service.UserData) (T, error)) (T, error) {
	answer, err := to.Read(ctx, user, untyped(question))
	if err != nil {
		var none T
		return none, err
	}
	return typed[T](answer)
}

// askAll is Access.Everywhere for one type of answer.
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

// typed returns an answer that went through an Access. It returns an error if the Access changed
// the answer's type.
func typed[T any](answer any) (T, error) {
	same, ok := answer.(T)
	if !ok {
		return same, fmt.Errorf("expected an answer of type %T, got %T: an Access must return answers unchanged", same, answer)
	}
	return same, nil
}
