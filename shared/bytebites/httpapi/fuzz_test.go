package httpapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
)

// FuzzAPI sends arbitrary requests to the API, with and without a session. There must be no 5xx, no
// panic and no undocumented answer.
func FuzzAPI(f *testing.F) {
	world := fake.NewWorld(users, meals, time.Now)
	handler, err := httpapi.New(configOf(world))
	if err != nil {
		f.Fatal(err)
	}
	validator, err := contract.NewValidator()
	if err != nil {
		f.Fatal(err)
	}
	signIn := httptest.NewRequest(http.MethodPost, "/sessions", strings.NewReader(`{"email":"`+fake.Email(1)+`","password":"`+fake.Password+`"}`))
	signIn.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, signIn)
	cookies := recorder.Result().Cookies()
	if len(cookies) != 1 {
		f.Fatalf("sign in: answered %d", recorder.Code)
	}

	for _, op := range mustOperations(f) {
		f.Add(op.method, strings.ReplaceAll(op.path, "{id}", "m0001"), "limit=5&cursor=x", "application/json", "X-Request-Id", "abcdefgh", []byte(`{"lines":[{"meal_id":"m0001","quantity":2}]}`), true)
	}
	f.Add("PUT", "/meals/m0001", "", "application/json", "Authorization", "Bearer "+staffToken, []byte(`{"price_cents":100,"version":1}`), false)
	f.Add("POST", "/accounts", "", "application/json", "X-Request-Id", "abcdefgh", []byte(`{"email":"ada@example.com","name":"Ada","password":"long enough by far"}`), false)
	f.Add("POST", "/accounts", "", "application/json", "Origin", "null", []byte(`{"email":"Ada <ada@example.com>","name":"\u202e","password":"short"}`), true)
	f.Add("POST", "/orders", "", "application/json", "Idempotency-Key", "k", []byte(`{"lines":[{"meal_id":"m0060","quantity":50}]}`), true)
	f.Add("POST", "/webhooks/payments", "", "application/json", httpapi.SignatureHeader, "t=1,v1=00", []byte(`{}`), false)
	f.Add("PUT", "/me/addresses", "", "application/json", "Origin", "http://evil.example", []byte(`{"addresses":[]}`), true)
	f.Add("PUT", "/me/addresses", "", "application/json", "Origin", "", []byte(`{"addresses":[{"label":"\ud800","street":"\ud83e\udd66","postal_code":"\ufffd","city":"x","country":"DE"}]}`), true)
	f.Add("OPTIONS", "/meals//ratings", "q=%", "text/plain", "Range", "bytes=0-", []byte{0xff}, true)

	f.Fuzz(func(t *testing.T, method, path, query, contentType, name, value string, body []byte, signedIn bool) {
		if len(method) > 20 || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) || method == "" || method == http.MethodConnect {
			t.Skip("net/http lets no such method through")
		}
		if !strings.HasPrefix(path, "/") || len(path) > 4096 {
			t.Skip("net/http lets no such path through")
		}
		// Header values have no control characters, because net/http refuses them.
		clean := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1
				}
				return r
			}, s)
		}
		request := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: "bytebites.example", RequestURI: path,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {clean(contentType)}}, ContentLength: int64(len(body)), Body: http.NoBody,
		}
		if len(body) > 0 {
			request.Body = readCloser{bytes.NewReader(body)}
		}
		if token := http.CanonicalHeaderKey(clean(name)); token != "" {
			request.Header.Set(token, clean(value))
		}
		if signedIn {
			request.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: cookies[0].Value})
		}
		if method == http.MethodDelete && path == "/sessions" {
			request.Header.Del("Cookie") // later inputs need the session
		}
		exchange := contract.Exchange{Method: method, Path: path, Query: query, Header: request.Header.Clone(), Body: body}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request.WithContext(t.Context()))
		if recorder.Code >= http.StatusInternalServerError {
			t.Fatalf("%s %q was answered %d: %s", method, path, recorder.Code, recorder.Body)
		}
		exchange.Status, exchange.Answer, exchange.AnswerBody = recorder.Code, recorder.Header(), recorder.Body.Bytes()
		if err := validator.Check(t.Context(), exchange); err != nil {
			t.Fatal(err)
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
