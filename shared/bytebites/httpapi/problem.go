package httpapi

import (
	"context"
	"errors"
	"net/http"

	"bytebites.example/workshop/shared/bytebites"
)

const problemContentType = "application/problem+json"

// problemTypes is the prefix of all problem type URIs.
const problemTypes = "https://bytebites.example/problems/"

// kind is a type of problem: the last part of its type URI, its title and its status.
type kind struct {
	slug   string
	title  string
	status int
}

var (
	kindMalformed    = kind{"malformed-request", "The request is malformed", http.StatusBadRequest}
	kindUnauthorized = kind{"unauthorized", "You are not signed in, or the credentials are wrong", http.StatusUnauthorized}
	kindCrossOrigin  = kind{"cross-origin", "Another site may not act for a subscriber", http.StatusForbidden}
	kindNotFound     = kind{"not-found", "Not found", http.StatusNotFound}
	kindMethod       = kind{"method-not-allowed", "This method does not work here", http.StatusMethodNotAllowed}
	kindSlowBody     = kind{"slow-body", "The body took too long to arrive", http.StatusRequestTimeout}
	kindConflict     = kind{"conflict", "The object has changed, or its state does not allow this", http.StatusConflict}
	kindOutOfStock   = kind{"out-of-stock", "A meal is sold out", http.StatusConflict}
	kindEmailTaken   = kind{"email-taken", "This email address has an account", http.StatusConflict}
	kindTooLarge     = kind{"body-too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	kindMediaType    = kind{"unsupported-media-type", "The body must be application/json", http.StatusUnsupportedMediaType}
	kindInvalid      = kind{"invalid-content", "The content is not valid", http.StatusUnprocessableEntity}
	kindKeyReused    = kind{"idempotency-key-reused", "This Idempotency-Key belongs to another order", http.StatusUnprocessableEntity}
	kindInternal     = kind{"internal", "Something went wrong on our side", http.StatusInternalServerError}
	kindBusy         = kind{"busy", "Too busy just now, please try again", http.StatusServiceUnavailable}
	kindTimeout      = kind{"timeout", "This took too long, please try again", http.StatusServiceUnavailable}
	kindNotReady     = kind{"not-ready", "This replica is not ready", http.StatusServiceUnavailable}
)

// domainKinds is the only table from domain errors to problems. The first match counts. Errors
// without a match are internal.
var domainKinds = [...]struct {
	err  error
	kind kind
}{
	{bytebites.ErrOutOfStock, kindOutOfStock},
	{bytebites.ErrNotFound, kindNotFound},
	{bytebites.ErrUnauthorized, kindUnauthorized},
	{bytebites.ErrKeyReused, kindKeyReused},
	{bytebites.ErrDuplicate, kindConflict},
	{bytebites.ErrConflict, kindConflict},
	{bytebites.ErrBusy, kindBusy},
	{context.DeadlineExceeded, kindTimeout},
	{context.Canceled, kindTimeout}, // the client hung up, so nothing reads the answer
}

// fieldError describes a fault in one part of a body.
type fieldError struct {
	Pointer string `json:"pointer"` // a JSON pointer as a URI fragment, such as #/lines/0/quantity
	Detail  string `json:"detail"`
}

// requestError is a fault in a request that the API itself found.
type requestError struct {
	kind   kind
	detail string // shown to the client
	fields []fieldError
	header map[string]string
}

func (e *requestError) Error() string { return e.kind.slug + ": " + e.detail }

func malformed(detail string) error { return &requestError{kind: kindMalformed, detail: detail} }

// problem is the body of an error, as in RFC 9457.
type problem struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance"` // the request id, as in the log
	Meal     string       `json:"meal_id,omitempty"`
	Errors   []fieldError `json:"errors,omitempty"`
}

// problemOf returns the problem and the headers that a client sees for an error. ctx is the
// request's context. Drivers report a cancelled query with their own errors, so an unknown error
// after the deadline counts as a timeout.
func problemOf(ctx context.Context, err error) (problem, map[string]string) {
	k, detail := kindInternal, ""
	var fields []fieldError
	header := map[string]string{}
	var request *requestError
	if errors.As(err, &request) {
		k, detail, fields = request.kind, request.detail, request.fields
		for name, value := range request.header {
			header[name] = value
		}
	} else {
		if ctx.Err() != nil {
			k = kindTimeout
		}
		for _, row := range domainKinds {
			if errors.Is(err, row.err) {
				k = row.kind
				break
			}
		}
	}
	p := problem{Type: problemTypes + k.slug, Title: k.title, Status: k.status, Detail: detail, Errors: fields}
	var out *bytebites.OutOfStockError
	if errors.As(err, &out) {
		p.Meal = string(out.Meal)
		p.Detail = "There are fewer portions of meal " + p.Meal + " left than you asked for."
	}
	if p.Status == http.StatusServiceUnavailable {
		header["Retry-After"] = "1" // seconds
	}
	if p.Status == http.StatusUnauthorized && header["WWW-Authenticate"] == "" {
		header["WWW-Authenticate"] = `Cookie realm="bytebites"`
	}
	return p, header
}
