package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// account returns the body of a sign-up.
func account(email, name, password string) map[string]string {
	return map[string]string{"email": email, "name": name, "password": password}
}

// accountChecks sign up one subscriber in all, because hashing a password costs the service as much
// CPU as many other requests.
func accountChecks() []Check {
	return []Check{
		{"sign-up", "A new subscriber can sign in and use all operations; an address has one account, in any spelling.", checkSignUp},
		{"sign-up-refused", "Invalid addresses, names and passwords are refused.", checkSignUpRefused},
	}
}

func checkSignUp(ctx context.Context, c *Client) error {
	email := strings.ToLower(newKey()) + "@bytebites.example"
	const name, password = "Ada O'Connor-Ünal 🥦", "twelve bytes and 'more\"; --"
	body := account(email, name, password)
	for _, header := range []Option{Header("Sec-Fetch-Site", "cross-site"), Header("Origin", "https://evil.example")} {
		answer, err := c.Post(ctx, "/accounts", body, header)
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusForbidden, "cross-origin"); err != nil {
			return err
		}
	}
	answer, err := c.Post(ctx, "/accounts", body)
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusCreated); err != nil {
		return err
	}
	if len(answer.Cookies()) != 0 {
		return errors.New("signing up sets a cookie")
	}
	var joined struct {
		User string `json:"user_id"`
	}
	if err := answer.Into(&joined); err != nil {
		return err
	}
	for _, again := range []string{email, strings.ToUpper(email)} {
		answer, err := c.Post(ctx, "/accounts", account(again, "Somebody Else", "another password"))
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusConflict, "email-taken"); err != nil {
			return err
		}
	}
	// Sign in with the password of the first account, because the later attempts changed nothing.
	client := *c
	client.Password = password
	one, err := client.As(ctx, strings.ToUpper(email))
	if err != nil {
		return err
	}
	if one.User() != joined.User {
		return fmt.Errorf("signed up as %s, signed in as %s", joined.User, one.User())
	}
	return checkNewcomer(ctx, one, email, name)
}

// checkNewcomer requires a subscriber without any data.
func checkNewcomer(ctx context.Context, one *Client, email, name string) error {
	answer, err := one.Get(ctx, "/me")
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return err
	}
	var me struct {
		User  string `json:"user_id"`
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	if err := answer.Into(&me); err != nil {
		return err
	}
	if me.User != one.User() || me.Name != name || me.Email != email {
		return fmt.Errorf("signed up as %s (%s, %s), saw %+v", one.User(), name, email, me)
	}
	for _, path := range []string{"/me/addresses", "/cart", "/orders"} {
		if err := expect(ctx, one, path, http.StatusOK); err != nil {
			return err
		}
	}
	return roundTrip(ctx, one, "/me/preferences", "/me", "preferences",
		map[string]any{"diets": []string{"vegan"}, "cuisines": []string{}, "dislikes": []string{}, "portion_count": 3})
}

func checkSignUpRefused(ctx context.Context, c *Client) error {
	const email, name, password = "refused@bytebites.example", "Ada", "long enough by far"
	long := strings.Repeat("x", 255)
	bodies := []map[string]string{
		{}, {"email": email}, {"email": email, "name": name}, {"name": name, "password": password},
		account(email, "", password), account(email, long[:81], password), account(email, "right\u202eleft", password), account(email, "a\x00b", password),
		account(email, name, ""), account(email, name, "eleven byte"), account(email, name, long[:73]), account(email, name, strings.Repeat("ü", 37)),
	}
	for _, address := range []string{
		"", "a@", "@b.c", "ada", "ada@@b.c", "a b@b.c", "a@b.c ", " a@b.c", "a@b.c\r\nBcc: x@y.z", "a@b.c, x@y.z", "Ada <a@b.c>", "<a@b.c>", "a@b.c (Ada)", `"a b"@b.c`,
		"ädä@b.c", "a@ß.de", "a\x00@b.c", "\u202ea@b.c", "' OR '1'='1", long + "@b.c",
	} {
		bodies = append(bodies, account(address, name, password))
	}
	for _, body := range bodies {
		answer, err := c.Post(ctx, "/accounts", body, Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnprocessableEntity, "invalid-content"); err != nil {
			return fmt.Errorf("body %.120q: %w", body, err)
		}
	}
	for _, body := range []string{
		``, `[]`, `{"email":1,"name":"Ada","password":"long enough by far"}`, `{"email":["a@b.c"],"name":"Ada","password":"long enough by far"}`,
		`{"email":"a@b.c","name":"Ada","password":"long enough by far","user_id":"u0000001"}`,
		`{"email":"a@b.c","email":"x@y.z","name":"Ada","password":"long enough by far"}`,
	} {
		answer, err := c.Post(ctx, "/accounts", Raw(body), Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
			return fmt.Errorf("body %.120q: %w", body, err)
		}
	}
	return nil
}
