package rig

import (
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// The subscribers and meals that a check's own client uses. No load signs these people
// in, and few order these meals.
const (
	firstClient = 901
	clients     = 40
	firstMeal   = 41
	meals       = 4
)

// Client returns a client of a service that holds every answer against the contract. Its
// Emails are of 40 subscribers that no load signs in.
func (s *Servers) Client(service *testbed.Service) (*contract.Client, error) {
	target := contract.Target{
		URL: service.URL(), StaffToken: s.Bed.StaffToken(), PaymentSecret: s.Bed.PaymentSecret(),
		Password: seed.Password, Scarce: s.Dataset.ScarceMeal(1),
	}
	for n := range clients {
		target.Emails = append(target.Emails, seed.Email(firstClient+n))
	}
	for n := range meals {
		target.Meals = append(target.Meals, bytebites.MealID(seed.Meal(firstMeal+n)))
	}
	return contract.NewClient(target)
}

// BrokenPromise turns an error of contract.Run, or of a part of it, into a failure that points at
// look. Without an error it returns nil.
func BrokenPromise(err error, look lab.Look) error {
	if err == nil {
		return nil
	}
	return &lab.Failure{Expected: "every promise of the API to be kept", Seen: err.Error(), Waited: lab.Late(err), Look: look}
}
