package service

import (
	"errors"
	"fmt"
	"net/mail"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/recommend"
	"bytebites.example/workshop/shared/bytebites/smtp"
)

// Parts are the stores of a composition, behind its cache, and what is built on them: for a
// role, and for the parts of the composition that come after.
type Parts struct {
	Catalogue bytebites.Catalogue
	Stock     bytebites.Stock
	Directory bytebites.Directory
	UserData
	Recommender bytebites.Recommender
	// Steps are those of placing an order, its effects among them.
	Steps *checkout.Steps

	cache Cache
}

// Parts returns the composition's parts. They are built when they are asked for first, by
// whomever; those that they are built of must not ask for them.
func (r Resources) Parts() (Parts, error) {
	if r.parts == nil {
		return Parts{}, errors.New("parts are asked for by what they are built of")
	}
	return r.parts()
}

// with returns the resources from which the composition's parts can be had.
func (r Resources) with(c Composition) Resources {
	bare := r
	r.parts = sync.OnceValues(func() (Parts, error) { return build(bare, c) })
	return r
}

func build(r Resources, c Composition) (p Parts, err error) {
	p.Stock = postgres.NewStock(r.Catalogue)
	p.Directory = postgres.NewDirectory(r.Catalogue)
	if p.cache, err = c.Cache(r); err != nil {
		return Parts{}, fmt.Errorf("build cache: %w", err)
	}
	p.Catalogue = p.cache.Catalogue(postgres.NewCatalogue(r.Catalogue))
	userData, err := c.UserData(r, p.Catalogue)
	if err != nil {
		return Parts{}, fmt.Errorf("build user data: %w", err)
	}
	p.UserData = p.cache.UserData(userData)
	p.Recommender = recommend.New(p.Catalogue, p.Profiles, p.Orders)
	p.Steps, err = checkout.NewSteps(checkout.Parts{
		Catalogue:   p.Catalogue,
		Stock:       p.Stock,
		Orders:      p.Orders,
		Ledger:      p.Ledger,
		Weeks:       p.Weeks,
		Recommender: p.Recommender,
		Mailer:      smtp.New(r.Config.SMTPAddr, sender(), nil),
		Outbox:      p.Outbox,
		Logger:      r.Logger,
		Registerer:  r.Metrics,
		NewID:       c.OrderID,
	})
	if err != nil {
		return Parts{}, fmt.Errorf("build checkout: %w", err)
	}
	return p, nil
}

func sender() mail.Address {
	return mail.Address{Name: "ByteBites", Address: "dinner@bytebites.example"}
}
