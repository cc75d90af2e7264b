package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
)

// roundTrip puts a value and requires the same value in the answers of the PUT and of a GET. where
// is the field of the GET's answer that holds it, or "" for the whole answer.
func roundTrip(ctx context.Context, c *Client, put, get, where string, value any) error {
	answer, err := c.Put(ctx, put, value)
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var want, echoed, stored any
	if err := json.Unmarshal(data, &want); err != nil {
		return err
	}
	if err := answer.Into(&echoed); err != nil {
		return err
	}
	answer, err = c.Get(ctx, get)
	if err != nil {
		return err
	}
	if err := answer.Into(&stored); err != nil {
		return err
	}
	if fields, isObject := stored.(map[string]any); isObject && where != "" {
		stored = fields[where]
	}
	if !reflect.DeepEqual(want, echoed) || !reflect.DeepEqual(want, stored) {
		return fmt.Errorf("PUT %s %v: answered %v, stored %v", put, want, echoed, stored)
	}
	return nil
}

func subscriberChecks() []Check {
	return []Check{
		{"preferences", "Preferences are replaced as a whole.", func(ctx context.Context, c *Client) error {
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			for _, p := range []map[string]any{
				{"diets": []string{"vegetarian"}, "cuisines": []string{"thai", "italian"}, "dislikes": []string{"crème fraîche", "'; DROP TABLE users; --", `"quoted", {braces} \ 🥦`}, "portion_count": 4},
				{"diets": []string{}, "cuisines": []string{}, "dislikes": []string{}, "portion_count": 2},
			} {
				if err := roundTrip(ctx, one, "/me/preferences", "/me", "preferences", p); err != nil {
					return err
				}
			}
			return nil
		}},
		{"addresses", "Addresses are replaced as a whole, and keep their order.", func(ctx context.Context, c *Client) error {
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			home := map[string]string{"label": "Zuhause", "street": "Kastanienallee 7", "postal_code": "10435", "city": "Berlin", "country": "DE"}
			work := map[string]string{"label": "Arbeit", "street": "O'Connell Street 1; --", "postal_code": "D01", "city": "Baile Átha Cliath", "country": "IE"}
			for _, addresses := range [][]any{{home, work}, {work, home}, {work}, {}} {
				if err := roundTrip(ctx, one, "/me/addresses", "/me/addresses", "", map[string]any{"addresses": addresses}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"profile", "Each subscriber sees their own profile.", func(ctx context.Context, c *Client) error {
			for _, email := range c.Emails[:2] {
				one, err := c.As(ctx, email)
				if err != nil {
					return err
				}
				answer, err := one.Get(ctx, "/me")
				if err != nil {
					return err
				}
				var me struct {
					User  string `json:"user_id"`
					Email string `json:"email"`
				}
				if err := answer.Into(&me); err != nil {
					return err
				}
				if me.User != one.User() || me.Email != email {
					return fmt.Errorf("signed in as %s (%s), saw %+v", email, one.User(), me)
				}
			}
			return nil
		}},
	}
}

// sameJSON returns an error unless two JSON texts have the same value.
func sameJSON(want, got []byte) error {
	var values [2]any
	for i, text := range [][]byte{want, got} {
		if err := json.Unmarshal(text, &values[i]); err != nil {
			return fmt.Errorf("decode %.100q: %w", text, err)
		}
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		return fmt.Errorf("expected %s, saw %s", want, got)
	}
	return nil
}
