package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites/client"
	"bytebites.example/workshop/shared/bytebites/seed"
)

const (
	visitInterval = 50 * time.Millisecond // between two pages
	// visitTimeout bounds one page. Checking a password takes a small machine a while.
	visitTimeout = 5 * time.Second
	// signInInterval is the pause after a sign-in that failed.
	signInInterval = time.Second
	// warmAfter is the number of pages after which the servers have their data in memory. The
	// mover's pre-flight check must not take a cold server for a small one.
	warmAfter = 60
)

// visited counts the pages that a visitor has asked for.
type visited struct{ ok, failed int }

// visit signs the first seeded subscriber in at a storefront and reads their own pages, one after
// the other, until ctx ends. It calls warm once, after warmAfter pages. The error is that of the
// last sign-in, when no sign-in succeeded.
func visit(ctx context.Context, url string, warm func()) (visited, error) {
	browser := &http.Client{Timeout: visitTimeout}
	cookie, err := enter(ctx, browser, url)
	var seen visited
	if cookie == nil {
		return seen, err
	}
	pages := []string{"/cart", "/me", "/orders", "/me/addresses"}
	for i := 0; ; i++ {
		if i == warmAfter {
			warm()
		}
		select {
		case <-ctx.Done():
			return seen, nil
		case <-time.After(visitInterval):
		}
		switch err := readPage(ctx, browser, url+pages[i%len(pages)], cookie); {
		case ctx.Err() != nil: // interrupted, which says nothing about the page
		case err != nil:
			seen.failed++
		default:
			seen.ok++
		}
	}
}

// enter signs in, and tries again until ctx ends. Then it returns no cookie, and the error of the
// last try that ctx did not interrupt, if there was one.
func enter(ctx context.Context, browser *http.Client, url string) (*http.Cookie, error) {
	var refused error
	for {
		session, err := client.SignIn(ctx, browser, url, seed.Email(1), seed.Password)
		if err == nil {
			return session.Cookie, nil
		}
		if ctx.Err() == nil {
			refused = err
		}
		select {
		case <-ctx.Done():
			return nil, refused
		case <-time.After(signInInterval):
		}
	}
}

func readPage(ctx context.Context, browser *http.Client, url string, cookie *http.Cookie) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	request.AddCookie(cookie)
	response, err := browser.Do(request)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	return discard(response)
}

// discard reads a response to its end, so that the connection can be reused.
func discard(response *http.Response) error {
	_, err := io.Copy(io.Discard, response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("status %s", response.Status)
	}
	return err
}
