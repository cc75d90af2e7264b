package contract

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/httpapi"
)

// private returns the operations that need a session.
func private(c *Client) []struct {
	method, path string
	body         any
} {
	lines := map[string]any{"lines": []line{{string(c.Meals[0]), 1}}}
	return []struct {
		method, path string
		body         any
	}{
		{"GET", "/me", nil},
		{"PUT", "/me/preferences", map[string]any{"portion_count": 2}},
		{"GET", "/me/addresses", nil},
		{"PUT", "/me/addresses", map[string]any{"addresses": []any{}}},
		{"POST", "/meals/" + string(c.Meals[0]) + "/ratings", map[string]int{"stars": 5}},
		{"GET", "/cart", nil},
		{"PUT", "/cart", lines},
		{"POST", "/orders", lines},
		{"GET", "/orders", nil},
		{"GET", "/orders/anything", nil},
		{"GET", "/recommendations", nil},
	}
}

// refused requires 401 for every private operation.
func refused(ctx context.Context, c *Client) error {
	for _, p := range private(c) {
		answer, err := c.Do(ctx, p.method, p.path, p.body, Header("Idempotency-Key", "refused"))
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnauthorized, "unauthorized"); err != nil {
			return err
		}
	}
	return nil
}

func sessionChecks() []Check {
	return []Check{
		{"sign-in", "A subscriber can sign in; scripts and other sites cannot use the cookie, and its token has 256 bits.", func(ctx context.Context, c *Client) error {
			var tokens []string
			for range 2 {
				answer, err := c.Post(ctx, "/sessions", map[string]string{"email": strings.ToUpper(c.Emails[0]), "password": c.Password})
				if err != nil {
					return err
				}
				if err := answer.Want(http.StatusCreated); err != nil {
					return err
				}
				cookies := answer.Cookies()
				if len(cookies) != 1 {
					return fmt.Errorf("expected one cookie, saw %d", len(cookies))
				}
				cookie := cookies[0]
				if cookie.Name != httpapi.SessionCookie || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" {
					return fmt.Errorf("cookie %s: HttpOnly %v, SameSite %v, path %q", cookie.Name, cookie.HttpOnly, cookie.SameSite, cookie.Path)
				}
				raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
				if err != nil || len(raw) != 32 {
					return fmt.Errorf("token of %d bytes", len(raw))
				}
				tokens = append(tokens, cookie.Value)
			}
			if tokens[0] == tokens[1] {
				return errors.New("two sign-ins share a token")
			}
			return nil
		}},
		{"sign-in-refused", "A wrong password and an unknown email get the same answer.", func(ctx context.Context, c *Client) error {
			var details []string
			for _, body := range []map[string]string{
				{"email": c.Emails[0], "password": c.Password + "!"},
				{"email": "nobody@bytebites.example", "password": c.Password},
				{"email": "' OR '1'='1", "password": "' OR '1'='1"},
			} {
				answer, err := c.Post(ctx, "/sessions", body)
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusUnauthorized, "unauthorized"); err != nil {
					return err
				}
				if len(answer.Cookies()) != 0 {
					return errors.New("a refused sign-in sets a cookie")
				}
				var p Problem
				if err := answer.Into(&p); err != nil {
					return err
				}
				details = append(details, p.Title+p.Detail)
			}
			if len(slices.Compact(details)) != 1 {
				return fmt.Errorf("the answers differ: %q", details)
			}
			return nil
		}},
		{"signed-out", "Private operations need a session.", refused},
		{"forged-sessions", "Invented tokens are refused.", func(ctx context.Context, c *Client) error {
			for _, token := range []string{
				"x", strings.Repeat("A", 43), strings.Repeat("A", 44), "' OR 1=1--", "../../etc/passwd", strings.Repeat("z", 4000), "u0000001",
			} {
				if err := refused(ctx, c.with(&http.Cookie{Name: httpapi.SessionCookie, Value: token}, "")); err != nil {
					return fmt.Errorf("token %.50q: %w", token, err)
				}
			}
			return nil
		}},
		{"sign-out", "After a sign-out the token is invalid; other sessions remain valid.", func(ctx context.Context, c *Client) error {
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			other, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			for range 2 { // the second sign-out gives the same answer
				answer, err := one.Delete(ctx, "/sessions")
				if err != nil {
					return err
				}
				if err := answer.Want(http.StatusNoContent); err != nil {
					return err
				}
				if cookies := answer.Cookies(); len(cookies) != 1 || cookies[0].MaxAge >= 0 {
					return errors.New("signing out does not remove the cookie")
				}
			}
			if err := refused(ctx, one); err != nil {
				return err
			}
			return expect(ctx, other, "/me", http.StatusOK)
		}},
		{"expired-sessions", "A session ends when it expires.", func(ctx context.Context, c *Client) error {
			if c.SessionTTL == 0 || c.SessionTTL > 5*time.Second {
				return nil // the tests of package httpapi set the clock instead
			}
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			select {
			case <-time.After(c.SessionTTL + time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
			return refused(ctx, one)
		}},
		{"cross-origin", "A page of another site cannot act for a subscriber.", func(ctx context.Context, c *Client) error {
			one, err := c.As(ctx, c.Emails[0])
			if err != nil {
				return err
			}
			for _, p := range private(c) {
				if p.method == http.MethodGet {
					continue
				}
				for _, header := range []Option{Header("Sec-Fetch-Site", "cross-site"), Header("Origin", "https://evil.example")} {
					answer, err := one.Do(ctx, p.method, p.path, p.body, header, Header("Idempotency-Key", "cross-origin"))
					if err != nil {
						return err
					}
					if err := answer.WantProblem(http.StatusForbidden, "cross-origin"); err != nil {
						return err
					}
				}
			}
			return nil
		}},
	}
}

// expect requires a status for a GET.
func expect(ctx context.Context, c *Client, path string, status int) error {
	answer, err := c.Get(ctx, path)
	if err != nil {
		return err
	}
	return answer.Want(status)
}
