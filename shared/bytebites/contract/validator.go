package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"bytebites.example/workshop/shared/bytebites/httpapi"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method      string
	Path        string // not escaped
	Query       string
	Header      http.Header
	Body        []byte
	Status      int
	Answer      http.Header
	AnswerBody  []byte
	willingBody bool // whether the request must be valid too
}

// Validator checks exchanges against the OpenAPI document.
type Validator struct{ router routers.Router }

// NewValidator loads the document.
func NewValidator() (*Validator, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(httpapi.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("validate document: %w", err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route document: %w", err)
	}
	return &Validator{router: router}, nil
}

// leaks matches internals that a client must never see.
var leaks = regexp.MustCompile(`goroutine \d|runtime error|panic:|[a-z]\.go:\d|\bpq: |SQLSTATE|/go/pkg/|Traceback`)

// Check returns an error if an exchange breaks the contract.
func (v *Validator) Check(ctx context.Context, x Exchange) error {
	if err := v.check(ctx, x); err != nil {
		return fmt.Errorf("%s %q answered %d: %w", x.Method, x.Path, x.Status, err)
	}
	return nil
}

func (v *Validator) check(ctx context.Context, x Exchange) error {
	if x.Answer.Get("X-Instance") == "" || x.Answer.Get("X-Request-Id") == "" {
		return errors.New("no X-Instance or no X-Request-Id")
	}
	if x.Answer.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(x.Answer.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		return errors.New("security headers are missing")
	}
	if x.Status >= http.StatusBadRequest && x.Method != http.MethodHead {
		if err := checkProblem(x); err != nil {
			return err
		}
	}
	request, err := x.request(ctx)
	if err != nil {
		return err
	}
	route, params, err := v.router.FindRoute(request)
	switch {
	case errors.Is(err, routers.ErrMethodNotAllowed):
		if x.Status != http.StatusMethodNotAllowed || x.Answer.Get("Allow") == "" {
			return errors.New("expected 405 with Allow, because the document does not have the method")
		}
		return nil
	case err != nil:
		if x.Status != http.StatusNotFound && x.Status != http.StatusMethodNotAllowed {
			return errors.New("expected 404, because the document does not have the path")
		}
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
	}
	if x.willingBody {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.Status, Header: x.Answer,
		Body: io.NopCloser(bytes.NewReader(x.AnswerBody)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			ExcludeResponseBody: x.Method == http.MethodHead || !isStructured(x.Answer),
		},
	}
	if err := openapi3filter.ValidateResponse(ctx, answer); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	return documentedType(route.Operation, x)
}

// request rebuilds the request for routing. Like the server, it uses the unescaped path and treats
// HEAD as GET.
func (x Exchange) request(ctx context.Context) (*http.Request, error) {
	method := x.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	u := &url.URL{Scheme: "http", Host: "bytebites.example", Path: x.Path, RawQuery: x.Query}
	request := (&http.Request{
		Method: method, URL: u, Host: u.Host, Header: x.Header.Clone(), ContentLength: int64(len(x.Body)),
		Body: io.NopCloser(bytes.NewReader(x.Body)),
	}).WithContext(ctx)
	if request.Header == nil {
		request.Header = http.Header{}
	}
	return request, nil
}

func isStructured(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err != nil || strings.HasSuffix(media, "json") || media == ""
}

// documentedType requires that the document has the content type of the answer, if there is a body.
func documentedType(op *openapi3.Operation, x Exchange) error {
	response := op.Responses.Status(x.Status)
	if response == nil || x.Method == http.MethodHead {
		return nil
	}
	if len(response.Value.Content) == 0 {
		if len(x.AnswerBody) > 0 {
			return errors.New("unexpected body: the document has none")
		}
		return nil
	}
	if response.Value.Content.Get(x.Answer.Get("Content-Type")) == nil {
		return fmt.Errorf("content type %q is not in the document", x.Answer.Get("Content-Type"))
	}
	return nil
}

// checkProblem requires an RFC 9457 problem that reveals no internals.
func checkProblem(x Exchange) error {
	if got := x.Answer.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("expected a problem, saw content type %q: %.200q", got, x.AnswerBody)
	}
	var problem Problem
	if err := json.Unmarshal(x.AnswerBody, &problem); err != nil {
		return fmt.Errorf("decode problem: %w", err)
	}
	if problem.Status != x.Status || problem.Type == "" || problem.Title == "" {
		return fmt.Errorf("problem of type %q, title %q and status %d", problem.Type, problem.Title, problem.Status)
	}
	if problem.Instance != x.Answer.Get("X-Request-Id") {
		return fmt.Errorf("problem's instance %q is not the request id %q", problem.Instance, x.Answer.Get("X-Request-Id"))
	}
	if leak := leaks.Find(x.AnswerBody); leak != nil {
		return fmt.Errorf("the answer reveals internals: %q in %.300q", leak, x.AnswerBody)
	}
	return nil
}
