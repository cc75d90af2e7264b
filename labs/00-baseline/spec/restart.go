package spec

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// restartPerson is a subscriber that no load signs in.
const restartPerson = people + 100

// restart leaves one thing of each kind with the service, kills the service, starts it again
// and looks for each thing.
func (l *trial) restart(ctx context.Context, _ *lab.Run) error {
	service := l.after.variant.Service
	trace, err := leaveTrace(ctx, service.URL(), l.servers.Bed.StaffToken())
	if err != nil {
		return err
	}
	if err := service.Kill(ctx); err != nil {
		return err
	}
	if err := service.Start(ctx); err != nil {
		return err
	}
	seen, err := trace.find(ctx)
	if err != nil {
		return err
	}
	// The restart signed the load's people out too, and later checks send more load.
	if err := l.after.variant.SignInAgain(ctx); err != nil {
		return err
	}
	answers := l.subject.Answers.Restart
	for _, kind := range []struct {
		field        string
		answer, seen answer.Word
	}{
		{"Sessions", answers.Sessions, seen.Sessions},
		{"Carts", answers.Carts, seen.Carts},
		{"Orders", answers.Orders, seen.Orders},
		{"Meals", answers.Meals, seen.Meals},
	} {
		if kind.answer != kind.seen {
			return &lab.Failure{
				Expected: fmt.Sprintf("Restart.%s to be what a kill and a start showed", kind.field),
				Seen:     quoted(string(kind.answer)),
				Look: lab.Look{
					File: "answers.go", Func: "Answers",
					Hint: "try it: go tool workshop up baseline, leave something there, restart the container and look for it",
				},
			}
		}
	}
	return nil
}

// trace is one thing of each kind that a service may keep or forget.
type trace struct {
	url     string
	session load.Session
	cart    []cartLine
	order   string // id
	meal    string // id
	price   int
}

type cartLine struct {
	Meal     string `json:"meal_id"`
	Quantity int    `json:"quantity"`
}

type cart struct {
	Lines []cartLine `json:"lines"`
}

type order struct {
	ID string `json:"id"`
}

type meal struct {
	Price int `json:"price_cents"`
}

func leaveTrace(ctx context.Context, url, staffToken string) (trace, error) {
	t := trace{url: url, meal: string(seed.Meal(7))}
	if err := t.signIn(ctx); err != nil {
		return trace{}, err
	}
	t.cart = []cartLine{{Meal: t.meal, Quantity: 3}}
	if _, err := t.call(ctx, http.MethodPut, "/cart", cart{t.cart}, nil, nil); err != nil {
		return trace{}, err
	}
	var placed order
	header := http.Header{"Idempotency-Key": {rand.Text()}}
	lines := cart{[]cartLine{{Meal: string(seed.Meal(9)), Quantity: 1}}}
	if _, err := t.call(ctx, http.MethodPost, "/orders", lines, header, &placed); err != nil {
		return trace{}, err
	}
	t.order = placed.ID
	t.price = 1000 + int(time.Now().Unix()%1000)
	header = http.Header{"Authorization": {"Bearer " + staffToken}}
	_, err := t.call(ctx, http.MethodPut, "/meals/"+t.meal, meal{t.price}, header, nil)
	return t, err
}

// find says of each thing whether it is still there.
func (t trace) find(ctx context.Context) (answer.Restart, error) {
	var r answer.Restart
	status, err := t.call(ctx, http.MethodGet, "/me", nil, nil, nil)
	if r.Sessions, err = keptIf(status == http.StatusOK, err, http.StatusUnauthorized); err != nil {
		return answer.Restart{}, err
	}
	if err := t.signIn(ctx); err != nil {
		return answer.Restart{}, err
	}
	var left cart
	_, err = t.call(ctx, http.MethodGet, "/cart", nil, nil, &left)
	same := len(left.Lines) == 1 && left.Lines[0] == t.cart[0]
	if r.Carts, err = keptIf(same, err, 0); err != nil {
		return answer.Restart{}, err
	}
	status, err = t.call(ctx, http.MethodGet, "/orders/"+t.order, nil, nil, nil)
	if r.Orders, err = keptIf(status == http.StatusOK, err, http.StatusNotFound); err != nil {
		return answer.Restart{}, err
	}
	var now meal
	_, err = t.call(ctx, http.MethodGet, "/meals/"+t.meal, nil, nil, &now)
	r.Meals, err = keptIf(now.Price == t.price, err, 0)
	return r, err
}

// keptIf returns the answer; a status that says that the thing is gone is no error.
func keptIf(kept bool, err error, gone int) (answer.Word, error) {
	var status statusError
	switch {
	case errors.As(err, &status) && int(status) == gone:
		return answer.Forgotten, nil
	case err != nil:
		return answer.Unanswered, err
	case kept:
		return answer.Kept, nil
	default:
		return answer.Forgotten, nil
	}
}

func (t *trace) signIn(ctx context.Context) error {
	sessions, err := load.Login(ctx, t.url, seed.Password, []string{seed.Email(restartPerson)})
	if err != nil {
		return err
	}
	t.session = sessions[0]
	return nil
}

// statusError is an answer that is no success.
type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

// call sends JSON and reads JSON; the error is a statusError when the status is no success.
func (t trace) call(ctx context.Context, method, path string, body any, header http.Header, into any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %s: %w", method, path, err)
		}
	}()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return 0, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, t.url+path, &text)
	if err != nil {
		return 0, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Cookie", t.session.Cookie)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode/100 != 2 {
		return response.StatusCode, statusError(response.StatusCode)
	}
	if into == nil {
		return response.StatusCode, nil
	}
	return response.StatusCode, json.NewDecoder(response.Body).Decode(into)
}
