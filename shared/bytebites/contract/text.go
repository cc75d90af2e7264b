package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/httpapi"
)

func textChecks() []Check {
	return []Check{
		{"text-not-unicode", "Text that is not Unicode is refused in every body, query and header: stored as U+FFFD, different texts would become equal.", checkNotUnicode},
		{"text-kept", "Text is stored as it was sent, also characters outside the basic plane and U+FFFD itself.", checkTextKept},
		{"password-nul", "A password with a NUL character is refused: bcrypt takes some of them for other passwords.", checkPasswordNUL},
	}
}

// textBodies returns for each operation, and each of its texts, a body in which %s is that text.
func textBodies(meal string) []operation {
	return []operation{
		{"POST", "/accounts", `{"email":"%s@bytebites.example","name":"Ada","password":"long enough by far"}`},
		{"POST", "/accounts", `{"email":"half@bytebites.example","name":"Ada %s","password":"long enough by far"}`},
		{"POST", "/accounts", `{"email":"half@bytebites.example","name":"Ada","password":"long enough by far %s"}`},
		{"POST", "/sessions", `{"email":"%s@bytebites.example","password":"long enough by far"}`},
		{"POST", "/sessions", `{"email":"half@bytebites.example","password":"long enough by far %s"}`},
		{"PUT", "/me/preferences", `{"diets":["%s"],"cuisines":[],"dislikes":[],"portion_count":2}`},
		{"PUT", "/me/preferences", `{"diets":[],"cuisines":["%s"],"dislikes":[],"portion_count":2}`},
		{"PUT", "/me/preferences", `{"diets":[],"cuisines":[],"dislikes":["%s"],"portion_count":2}`},
		{"PUT", "/me/addresses", `{"addresses":[{"label":"%s","street":"Elm 1","postal_code":"10435","city":"Berlin","country":"DE"}]}`},
		{"PUT", "/me/addresses", `{"addresses":[{"label":"Home","street":"%s","postal_code":"10435","city":"Berlin","country":"DE"}]}`},
		{"PUT", "/me/addresses", `{"addresses":[{"label":"Home","street":"Elm 1","postal_code":"%s","city":"Berlin","country":"DE"}]}`},
		{"PUT", "/me/addresses", `{"addresses":[{"label":"Home","street":"Elm 1","postal_code":"10435","city":"%s","country":"DE"}]}`},
		{"PUT", "/me/addresses", `{"addresses":[{"label":"Home","street":"Elm 1","postal_code":"10435","city":"Berlin","country":"%s"}]}`},
		{"PUT", "/cart", `{"lines":[{"meal_id":"%s","quantity":1}]}`},
		{"PUT", "/cart", `{"lines":[],"%s":1}`},
		{"POST", "/orders", `{"lines":[{"meal_id":"%s","quantity":1}]}`},
		{"PUT", "/meals/" + meal, `{"name":"%s"}`},
		{"PUT", "/meals/" + meal, `{"description":"%s"}`},
		{"POST", "/meals/" + meal + "/ratings", `{"stars":5,"%s":1}`},
		{"POST", "/webhooks/payments", `{"id":"%s","type":"payment.succeeded","user_id":"nobody","order_id":"none","amount_cents":1}`},
		{"POST", "/webhooks/payments", `{"id":"e1","type":"%s","user_id":"nobody","order_id":"none","amount_cents":1}`},
	}
}

// notUnicode returns text that encoding/json replaces by U+FFFD without an error.
func notUnicode() []string {
	return []string{`\ud800`, `\udd66\ud83e`, "\xff", `\uDBFF`, `\udc00`, `\udfff`, `\ud83e\ud83e\udd66`, `\ud800\u0041`, `\\\ud800`, "\xed\xa0\x80", "\xc0\x80"}
}

func checkNotUnicode(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	for i, op := range textBodies(string(c.Meals[0])) {
		texts := notUnicode()
		if i > 0 {
			texts = texts[:3] // all bodies are read by one function, so one of them gets all texts
		}
		for _, text := range texts {
			body := fmt.Appendf(nil, op.body, text)
			answer, err := one.Do(ctx, op.method, op.path, Raw(body), Hostile(), Header("Idempotency-Key", newKey()),
				Header("Authorization", "Bearer "+c.StaffToken), Header(httpapi.SignatureHeader, httpapi.Sign(c.PaymentSecret, body, time.Now())))
			if err != nil {
				return err
			}
			if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
				return fmt.Errorf("body %.120q: %w", body, err)
			}
		}
	}
	for _, path := range []string{"/meals?q=%ED%A0%80", "/meals?q=%FF", "/meals?cuisine=%C0%80", "/meals?q=a%00b", "/meals?diet=%ED%A0%80", "/orders?cursor=%ED%A0%80"} {
		answer, err := one.Get(ctx, path, Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func checkTextKept(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	for _, text := range []string{"🥦", "\ufffd", "\U0010ffff", "\ue000", `\ud800`, "e\u0301", "é", "日本"} {
		address := map[string]string{"label": text, "street": text, "postal_code": text, "city": text, "country": "DE"}
		if err := roundTrip(ctx, one, "/me/addresses", "/me/addresses", "", map[string]any{"addresses": []any{address}}); err != nil {
			return err
		}
	}
	// The same character in the other form that JSON has for it.
	answer, err := one.Put(ctx, "/me/addresses", Raw(`{"addresses":[{"label":"\ud83e\udd66","street":"\uFFFD","postal_code":"\\ud800","city":"\u0042","country":"DE"}]}`))
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return err
	}
	want, err := json.Marshal(map[string]any{"addresses": []any{
		map[string]string{"label": "🥦", "street": "\ufffd", "postal_code": `\ud800`, "city": "B", "country": "DE"},
	}})
	if err != nil {
		return err
	}
	if answer, err = one.Get(ctx, "/me/addresses"); err != nil {
		return err
	}
	return sameJSON(want, answer.AnswerBody)
}

func checkPasswordNUL(ctx context.Context, c *Client) error {
	for path, body := range map[string]map[string]string{
		"/accounts": account("nul@bytebites.example", "Ada", "long enough\x00by far"),
		// bcrypt cannot tell this password from the subscriber's.
		"/sessions": {"email": c.Emails[0], "password": c.Password + "\x00" + c.Password},
	} {
		answer, err := c.Post(ctx, path, body, Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnprocessableEntity, "invalid-content"); err != nil {
			return fmt.Errorf("password %q: %w", strings.ReplaceAll(body["password"], c.Password, "<password>"), err)
		}
	}
	return nil
}
