package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	apiclient "bytebites.example/workshop/shared/bytebites/client"
)

// Session is a signed-in subscriber.
type Session struct {
	Email  string
	Cookie string // the value of the Cookie header
}

// setUpTimeout bounds one request before an attack. It is longer than a client's timeout,
// because a sign-in costs 64 ms of CPU and many run in parallel.
const setUpTimeout = 30 * time.Second

// Login signs in all subscribers with these emails and one password, and returns their
// sessions in the same order. Each sign-in costs the server about 64 ms of CPU (bcrypt, cost
// 10), so call it before the quota is set. At most two sign-ins a core run in parallel. The
// error names a subscriber, and wraps a *client.StatusError when the service refuses.
func Login(ctx context.Context, baseURL, password string, emails []string) ([]Session, error) {
	target, err := parseTarget(baseURL)
	if err != nil {
		return nil, err
	}
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := newHTTPClient(transport)
	sessions := make([]Session, len(emails))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.NumCPU())
	for i, email := range emails {
		group.Go(func() (err error) {
			sessions[i], err = signIn(ctx, client, target, email, password)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return sessions, nil
}

func signIn(ctx context.Context, client *http.Client, target *url.URL, email, password string) (Session, error) {
	ctx, cancel := context.WithTimeout(ctx, setUpTimeout)
	defer cancel()
	session, err := apiclient.SignIn(ctx, client, target.String(), email, password)
	if err != nil {
		return Session{}, fmt.Errorf("subscriber %s: %w", email, err)
	}
	return Session{Email: email, Cookie: session.Cookie.String()}, nil
}

// maxCataloguePages bounds Discover when a server never returns a last page.
const maxCataloguePages = 1000

// Discover reads the catalogue page by page and returns a population without sessions. It
// holds every meal in the catalogue's order, which is the order of popularity in the seeded
// data. It also holds the cursors and the first meals of the pages, and every cuisine and diet,
// sorted. The error wraps an *AnswerError when the service answers wrongly: an error that is not
// 503, a body that is no page, or pages that repeat a meal or never end.
func Discover(ctx context.Context, baseURL string) (Population, error) {
	target, err := parseTarget(baseURL)
	if err != nil {
		return Population{}, err
	}
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := newHTTPClient(transport)
	p := Population{PageStarts: make(map[string]bytebites.MealID)}
	seen := make(map[bytebites.MealID]bool)
	for cursor := ""; ; {
		page, err := mealsPage(ctx, client, target, cursor)
		if err != nil {
			return Population{}, fmt.Errorf("read catalogue: %w", err)
		}
		for i, m := range page.Meals {
			if seen[m.ID] {
				return Population{}, fmt.Errorf("read catalogue: %w", &AnswerError{
					Request:  "GET " + Page{Cursor: cursor}.path(),
					Expected: "each meal once on the pages of the catalogue",
					Seen:     fmt.Sprintf("meal %s again, after %d meals", m.ID, len(p.Meals)),
				})
			}
			seen[m.ID] = true
			if i == 0 {
				p.PageStarts[cursor] = m.ID
			}
			p.Meals = append(p.Meals, m.ID)
			p.Cuisines = append(p.Cuisines, m.Cuisine)
			p.Diets = append(p.Diets, m.Diets...)
		}
		if page.Next == "" {
			p.Cuisines = sortedSet(p.Cuisines)
			p.Diets = sortedSet(p.Diets)
			return p, nil
		}
		if len(page.Meals) == 0 || len(p.Cursors) == maxCataloguePages {
			return Population{}, fmt.Errorf("read catalogue: %w", &AnswerError{
				Request:  "GET " + Page{Cursor: cursor}.path(),
				Expected: fmt.Sprintf("the last page of the catalogue before page %d, and meals on each page", maxCataloguePages),
				Seen:     fmt.Sprintf("page %d with %d meals, and a next page", len(p.Cursors)+1, len(page.Meals)),
			})
		}
		cursor = page.Next
		p.Cursors = append(p.Cursors, cursor)
	}
}

// AnswerError is a wrong answer of the service to a request before the load.
type AnswerError struct{ Request, Expected, Seen string }

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: expected %s, saw %s", e.Request, e.Expected, e.Seen)
}

func mealsPage(ctx context.Context, client *http.Client, target *url.URL, cursor string) (mealsBody, error) {
	ctx, cancel := context.WithTimeout(ctx, setUpTimeout)
	defer cancel()
	path := Page{Cursor: cursor}.path()
	var page mealsBody
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String()+path, nil)
	if err != nil {
		return page, err
	}
	response, err := client.Do(request)
	if err != nil {
		return page, err
	}
	answer, err := readAndClose(response)
	if err != nil {
		return page, err
	}
	switch status := fmt.Sprintf("status %d: %.200s", response.StatusCode, answer); response.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable: // the service is busy, perhaps because the machine is
		return page, errors.New(status)
	default:
		return page, &AnswerError{Request: "GET " + path, Expected: "status 200", Seen: status}
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return page, &AnswerError{Request: "GET " + path, Expected: "a page of meals", Seen: fmt.Sprintf("%v: %.200s", err, answer)}
	}
	return page, nil
}

// maxAnswer bounds the bytes that are read of one answer.
const maxAnswer = 4 << 20

func readAndClose(response *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return body, errors.Join(err, response.Body.Close())
}

func sortedSet(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// idleConnections is how many connections stay open between requests. It is enough for every
// worker of the largest attack, so that a connection is made once.
const idleConnections = 20_000

// newTransport returns a transport that connects to this machine only. It ignores the proxy
// variables of the environment.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Control: refuseRemote, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
}

// newHTTPClient returns a client that follows no redirect. No API call redirects, and a
// followed redirect would count two requests as one.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
