package service

import (
	"fmt"
	"net/mail"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/recommend"
	"bytebites.example/workshop/shared/bytebites/smtp"
)

// Parts are the stores of a composition behind its cache, and the recommender and order steps built
// on them. They serve the roles, and the parts of the composition that are built after them.
type Parts struct {
	Catalogue bytebites.Catalogue
	Stock     bytebites.Stock
	Directory bytebites.Directory
	UserData
	Recommender bytebites.Recommender
	// Steps are the steps of placing an order, including its effects.
	Steps *checkout.Steps

	cache Cache
}

// buildParts builds the parts of the composition c. It is called once for each run of the
// service: a second cache would share no entries with the first.
func buildParts(r Resources, c Composition) (p Parts, err error) {
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
