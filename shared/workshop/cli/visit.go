package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
)

const (
	visitEvery   = 50 * time.Millisecond // between two pages
	visitTimeout = 5 * time.Second       // of one page; a password takes a small machine a while
	signInPause  = time.Second           // before somebody who was not let in tries again
	// warmAfter is how many pages a visitor reads until the servers have in memory what they
	// are asked for, and the mover's pre-flight does not take a cold server for a small one.
	warmAfter = 60
)

// visited is how often somebody read a page that is theirs, and how often in vain.
type visited struct{ read, failed int }

// visit signs the first seeded subscriber in at a storefront and reads their pages, one after
// the other, until ctx ends. It calls warm once, after warmAfter of them. The error says why
// they were not let in.
func visit(ctx context.Context, url string, warm func()) (visited, error) {
	client := &http.Client{Timeout: visitTimeout}
	cookie, err := enter(ctx, client, url)
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
		case <-time.After(visitEvery):
		}
		switch err := readPage(ctx, client, url+pages[i%len(pages)], cookie); {
		case ctx.Err() != nil: // broken off, which says nothing of the page
		case err != nil:
			seen.failed++
		default:
			seen.read++
		}
	}
}

// enter signs in, and tries again until ctx ends; then there is no cookie, and the error is of
// the last try that was answered, if any.
func enter(ctx context.Context, client *http.Client, url string) (*http.Cookie, error) {
	var refused error
	for {
		cookie, err := signIn(ctx, client, url)
		if err == nil {
			return cookie, nil
		}
		if ctx.Err() == nil {
			refused = err
		}
		select {
		case <-ctx.Done():
			return nil, refused
		case <-time.After(signInPause):
		}
	}
}

// signIn returns a session's cookie.
func signIn(ctx context.Context, client *http.Client, url string) (*http.Cookie, error) {
	body, err := json.Marshal(map[string]string{"email": seed.Email(1), "password": seed.Password})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/sessions", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	if err := discard(response); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	cookies := response.Cookies()
	if len(cookies) == 0 {
		return nil, fmt.Errorf("sign in: no cookie, and %s", response.Status)
	}
	return cookies[0], nil
}

func readPage(ctx context.Context, client *http.Client, url string, cookie *http.Cookie) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	return discard(response)
}

// discard reads an answer to its end, so that the connection serves again.
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
