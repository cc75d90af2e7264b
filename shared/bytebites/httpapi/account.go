package httpapi

import (
	"fmt"
	"regexp"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

const (
	maxDiets     = 10
	maxCuisines  = 20
	maxDislikes  = 50
	maxAddresses = 10
	maxPortions  = 8
)

var countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)

type preferencesBody struct {
	Diets        []string `json:"diets"`
	Cuisines     []string `json:"cuisines"`
	Dislikes     []string `json:"dislikes"`
	PortionCount int      `json:"portion_count"`
}

func preferencesOf(p bytebites.Preferences) preferencesBody {
	return preferencesBody{
		Diets: orEmpty(p.Diets), Cuisines: orEmpty(p.Cuisines), Dislikes: orEmpty(p.Dislikes),
		PortionCount: p.PortionCount,
	}
}

// orEmpty returns an empty list for nil, because JSON would encode nil as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type profileBody struct {
	User        string          `json:"user_id"`
	Name        string          `json:"name"`
	Email       string          `json:"email"`
	Preferences preferencesBody `json:"preferences"`
}

func (a *api) me(c *gin.Context, s bytebites.Session) error {
	p, err := a.Profiles.Profile(c.Request.Context(), s.User)
	if err != nil {
		return fmt.Errorf("load profile: %w", err)
	}
	return ok(c, profileBody{
		User: string(p.User), Name: p.Name, Email: p.Email, Preferences: preferencesOf(p.Preferences)})
}

func (a *api) setPreferences(c *gin.Context, s bytebites.Session) error {
	var body preferencesBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.words("diets", body.Diets, maxDiets)
	v.words("cuisines", body.Cuisines, maxCuisines)
	v.words("dislikes", body.Dislikes, maxDislikes)
	v.number("portion_count", int64(body.PortionCount), 1, maxPortions)
	if err := v.err(); err != nil {
		return err
	}
	p := bytebites.Preferences{
		Diets: orEmpty(body.Diets), Cuisines: orEmpty(body.Cuisines), Dislikes: orEmpty(body.Dislikes),
		PortionCount: body.PortionCount,
	}
	if err := a.Profiles.SetPreferences(c.Request.Context(), s.User, p); err != nil {
		return fmt.Errorf("set preferences: %w", err)
	}
	return ok(c, preferencesOf(p))
}

type addressBody struct {
	Label      string `json:"label"`
	Street     string `json:"street"`
	PostalCode string `json:"postal_code"`
	City       string `json:"city"`
	Country    string `json:"country"`
}

type addressesBody struct {
	Addresses []addressBody `json:"addresses"`
}

func (a *api) addresses(c *gin.Context, s bytebites.Session) error {
	addresses, err := a.Profiles.Addresses(c.Request.Context(), s.User)
	if err != nil {
		return fmt.Errorf("load addresses: %w", err)
	}
	body := addressesBody{Addresses: make([]addressBody, len(addresses))}
	for i, address := range addresses {
		body.Addresses[i] = addressBody(address)
	}
	return ok(c, body)
}

func (a *api) setAddresses(c *gin.Context, s bytebites.Session) error {
	var body addressesBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	switch {
	case body.Addresses == nil:
		v.fail("addresses", "must be a list")
	case len(body.Addresses) > maxAddresses:
		v.fail("addresses", "must have at most %d entries", maxAddresses)
	default:
		for i, address := range body.Addresses {
			at := fmt.Sprintf("addresses/%d/", i)
			v.text(at+"label", address.Label, 1, 40)
			v.text(at+"street", address.Street, 1, 120)
			v.text(at+"postal_code", address.PostalCode, 1, 16)
			v.text(at+"city", address.City, 1, 80)
			if !countryPattern.MatchString(address.Country) {
				v.fail(at+"country", "must be an ISO 3166-1 code of two capitals")
			}
		}
	}
	if err := v.err(); err != nil {
		return err
	}
	addresses := make([]bytebites.Address, len(body.Addresses))
	for i, address := range body.Addresses {
		addresses[i] = bytebites.Address(address)
	}
	if err := a.Profiles.SetAddresses(c.Request.Context(), s.User, addresses); err != nil {
		return fmt.Errorf("set addresses: %w", err)
	}
	return ok(c, body)
}
