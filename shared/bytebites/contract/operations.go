package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bytebites.example/workshop/shared/bytebites/httpapi"
)

func operationChecks() []Check {
	return []Check{
		{"operations", "Health, readiness, metrics, document and page are served.", func(ctx context.Context, c *Client) error {
			for path, want := range map[string]string{
				"/healthz": "ok", "/readyz": "ready", "/metrics": "http_requests_in_flight",
				"/": "<main", "/static/app.css": "{", "/static/app.js": "fetch",
			} {
				answer, err := c.Get(ctx, path)
				if err != nil {
					return err
				}
				if err := answer.Want(http.StatusOK); err != nil {
					return err
				}
				if !strings.Contains(string(answer.AnswerBody), want) {
					return fmt.Errorf("GET %s: expected %q in the body", path, want)
				}
			}
			return nil
		}},
		{"document", "The served document is the one that the answers are checked against.", func(ctx context.Context, c *Client) error {
			answer, err := c.Get(ctx, "/openapi.yaml")
			if err != nil {
				return err
			}
			if !bytes.Equal(answer.AnswerBody, httpapi.OpenAPI()) {
				return errors.New("GET /openapi.yaml: another document")
			}
			return nil
		}},
		{"unknown-paths", "Unknown paths and methods are problems: 404, and 405 with the allowed methods.", func(ctx context.Context, c *Client) error {
			for _, path := range []string{"/nothing", "/meals/", "/static/../app.js", "/static/x", "/orders/1/2", "/Meals", "//", "/meals//"} {
				answer, err := c.Get(ctx, path, Hostile())
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusNotFound, "not-found"); err != nil {
					return err
				}
			}
			for path, allow := range map[string]string{
				"/meals": "GET, HEAD", "/orders": "GET, HEAD, POST", "/meals/popular": "GET, HEAD", "/sessions": "DELETE, POST", "/accounts": "POST", "/meals/" + string(c.Meals[0]): "GET, HEAD, PUT",
			} {
				answer, err := c.Do(ctx, http.MethodPatch, path, nil, Hostile())
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusMethodNotAllowed, "method-not-allowed"); err != nil {
					return err
				}
				if got := answer.Answer.Get("Allow"); got != allow {
					return fmt.Errorf("PATCH %s: expected Allow %q, saw %q", path, allow, got)
				}
			}
			return nil
		}},
		{"head", "HEAD answers as GET does, without a body.", func(ctx context.Context, c *Client) error {
			for _, path := range []string{"/", "/healthz", "/meals"} {
				answer, err := c.Do(ctx, http.MethodHead, path, nil)
				if err != nil {
					return err
				}
				if err := answer.Want(http.StatusOK); err != nil {
					return err
				}
				if len(answer.AnswerBody) != 0 {
					return fmt.Errorf("HEAD %s: a body", path)
				}
			}
			return nil
		}},
		{"request-id", "A valid request id of a client is kept, an invalid one is replaced.", func(ctx context.Context, c *Client) error {
			const mine = "contract-check-0001"
			answer, err := c.Get(ctx, "/healthz", Header("X-Request-Id", mine))
			if err != nil {
				return err
			}
			if got := answer.Answer.Get("X-Request-Id"); got != mine {
				return fmt.Errorf("expected request id %q back, saw %q", mine, got)
			}
			for _, bad := range []string{"short", "with space in it", "semi;colon=1", strings.Repeat("x", 65), `<script>alert(1)</script>`} {
				answer, err := c.Get(ctx, "/healthz", Header("X-Request-Id", bad))
				if err != nil {
					return err
				}
				if answer.Answer.Get("X-Request-Id") == bad {
					return fmt.Errorf("request id %q came back", bad)
				}
			}
			return nil
		}},
	}
}
