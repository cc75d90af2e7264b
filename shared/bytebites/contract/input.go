package contract

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

func inputChecks() []Check {
	return []Check{
		{"bodies", "Bodies that do not match the document are refused, each with its reason.", checkBodies},
		{"content-types", "Only application/json is read.", func(ctx context.Context, c *Client) error {
			for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp", "multipart/form-data; boundary=x", "application/json, text/plain", ";;"} {
				answer, err := c.Post(ctx, "/sessions", Raw(`{"email":"a@b.c","password":"x"}`), Header("Content-Type", contentType), Hostile())
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusUnsupportedMediaType, "unsupported-media-type"); err != nil {
					return fmt.Errorf("%q: %w", contentType, err)
				}
			}
			answer, err := c.Post(ctx, "/sessions", Raw(`{"email":"a@b.c","password":"x"}`), Header("Content-Type", "Application/JSON; Charset=UTF-8"), Hostile())
			if err != nil {
				return err
			}
			return answer.Want(http.StatusUnauthorized)
		}},
		{"idempotency-keys", "An order needs one Idempotency-Key of 1 to 64 printable characters.", func(ctx context.Context, c *Client) error {
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			for _, key := range []string{"", strings.Repeat("k", 65), "kéy", "tab\tkey", "\xff"} {
				answer, err := one.Post(ctx, "/orders", linesBody(line{string(c.Meals[0]), 1}), Header("Idempotency-Key", key), Hostile())
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
					return fmt.Errorf("%q: %w", key, err)
				}
			}
			twice := func(c *call) { c.header["Idempotency-Key"] = []string{newKey(), newKey()} }
			answer, err := one.Post(ctx, "/orders", linesBody(line{string(c.Meals[0]), 1}), twice, Hostile())
			if err != nil {
				return err
			}
			return answer.WantProblem(http.StatusBadRequest, "malformed-request")
		}},
	}
}

func checkBodies(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	meal := string(c.Meals[0])
	lines := func(quantity string) string {
		return fmt.Sprintf(`{"lines":[{"meal_id":%q,"quantity":%s}]}`, meal, quantity)
	}
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf(`{"meal_id":"x%d","quantity":1}`, i))
	}
	const malformed, invalid = http.StatusBadRequest, http.StatusUnprocessableEntity
	for _, try := range []struct {
		body   string
		status int
	}{
		{``, malformed}, {` `, malformed}, {`{`, malformed}, {`null x`, malformed}, {`[]`, malformed}, {`"lines"`, malformed}, {`1`, malformed},
		{`{"lines":[]}{}`, malformed}, {lines("1") + `x`, malformed},
		{lines(`"1"`), malformed}, {lines(`1.5`), malformed}, {lines(`1e400`), malformed}, {lines(`99999999999999999999`), malformed}, {lines(`true`), malformed}, {lines(`[1]`), malformed},
		{`{"lines":{}}`, malformed}, {`{"lines":"x"}`, malformed}, {`{"lines":[1]}`, malformed},
		{`{"lines":[],"admin":true}`, malformed}, {`{"lines":[{"meal_id":"x","quantity":1,"price_cents":1}]}`, malformed},
		{`{"lines":[],"lines":[]}`, malformed}, {`{"lines":[],"LINES":[]}`, malformed}, {`{"lines":[],"lineſ":[]}`, malformed},
		{"{\"lines\":[{\"meal_id\":\"\xff\xfe\",\"quantity\":1}]}", malformed},
		{strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000), malformed},
		{strings.Repeat(`{"lines":`, 500) + `1` + strings.Repeat(`}`, 500), malformed},
		{`{}`, invalid}, {`null`, invalid}, {`{"lines":null}`, invalid}, {`{"lines":[]}`, invalid}, {`{"lines":[null]}`, invalid}, {`{"lines":[{}]}`, invalid},
		{lines(`0`), invalid}, {lines(`-1`), invalid}, {lines(`51`), invalid}, {lines(`2147483648`), invalid}, {lines(`-9223372036854775808`), invalid},
		{`{"lines":[{"meal_id":"","quantity":1}]}`, invalid}, {`{"lines":[{"meal_id":"a b","quantity":1}]}`, invalid},
		{`{"lines":[{"meal_id":"\u0000","quantity":1}]}`, invalid}, {`{"lines":[{"meal_id":"` + strings.Repeat("x", 65) + `","quantity":1}]}`, invalid},
		{`{"lines":[{"meal_id":"'; DROP TABLE orders; --","quantity":1}]}`, invalid},
		{fmt.Sprintf(`{"lines":[{"meal_id":%q,"quantity":1},{"meal_id":%q,"quantity":1}]}`, meal, meal), invalid},
		{`{"lines":[` + strings.Join(many, ",") + `]}`, invalid},
		{`{"lines":"` + strings.Repeat("x", 64<<10) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		for _, at := range []string{"POST /orders", "PUT /cart"} {
			method, path, _ := strings.Cut(at, " ")
			if path == "/cart" && try.body == `{"lines":[]}` {
				continue // would empty a cart
			}
			answer, err := one.Do(ctx, method, path, Raw(try.body), Header("Idempotency-Key", newKey()), Hostile())
			if err != nil {
				return err
			}
			if err := answer.Want(try.status); err != nil {
				return fmt.Errorf("body %.80q: %w", try.body, err)
			}
		}
	}
	for path, bodies := range map[string][]string{
		"/me/preferences": {
			`{"portion_count":0}`, `{"portion_count":9}`, `{"portion_count":2,"diets":["a\u0000b"]}`, `{"portion_count":2,"diets":["` + strings.Repeat("x", 41) + `"]}`,
			`{"portion_count":2,"diets":[""]}`, `{"portion_count":2,"dislikes":["right\u202eleft"]}`, `{"portion_count":2,"diets":[` + strings.Repeat(`"x",`, 10) + `"x"]}`,
		},
		"/me/addresses": {
			`{}`, `{"addresses":null}`, `{"addresses":[{}]}`,
			`{"addresses":[{"label":"x","street":"x","postal_code":"x","city":"x","country":"de"}]}`,
			`{"addresses":[{"label":"x","street":"a\nb","postal_code":"x","city":"x","country":"DE"}]}`,
		},
	} {
		for _, body := range bodies {
			answer, err := one.Put(ctx, path, Raw(body), Hostile())
			if err != nil {
				return err
			}
			if err := answer.WantProblem(invalid, "invalid-content"); err != nil {
				return fmt.Errorf("body %.80q: %w", body, err)
			}
		}
	}
	for _, stars := range []string{"0", "6", "-1"} {
		answer, err := one.Post(ctx, "/meals/"+meal+"/ratings", Raw(`{"stars":`+stars+`}`), Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(invalid, "invalid-content"); err != nil {
			return err
		}
	}
	return nil
}
