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
	"strings"
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
func (l *trial) restart(ctx context.Context, run *lab.Run) error {
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
	if err := l.keep(run, "restart.txt", trace.text); err != nil {
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
				Expected: fmt.Sprintf("in Restart.%s, the answer that a kill and a start showed", kind.field),
				Seen:     quoted(string(kind.answer)),
				Look: lab.Look{
					File: "answers.go", Func: "Answers",
					Hint: "read restart.txt in " + evidenceFolder + ", written by `check 00 --step 4`",
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
	seen    []string // one line a request before the kill and after the start, for restart.txt
}

// note keeps a row of restart.txt.
func (t *trace) note(when, request string, answered any) {
	t.seen = append(t.seen, fmt.Sprintf("%-8s%-50s%v", when, request, answered))
}

// text returns restart.txt.
func (t *trace) text() []byte {
	return fmt.Appendf(nil, "One thing of each kind was left with the service. Then the process was killed (SIGKILL) and started again.\n\n"+
		"%-8s%-50s%s\n%s\n", "when", "request", "answer", strings.Join(t.seen, "\n"))
}

type cartLine struct {
	Meal     string `json:"meal_id"`
	Quantity int    `json:"quantity"`
}

type cart struct {
	Lines []cartLine `json:"lines"`
}

// String lists the lines.
func (c cart) String() string {
	if len(c.Lines) == 0 {
		return "none"
	}
	var lines []string
	for _, line := range c.Lines {
		lines = append(lines, fmt.Sprintf("%d of %s", line.Quantity, line.Meal))
	}
	return strings.Join(lines, ", ")
}

type order struct {
	ID string `json:"id"`
}

type meal struct {
	Price int `json:"price_cents"`
}

func leaveTrace(ctx context.Context, url, staffToken string) (trace, error) {
	const when = "before"
	t := trace{url: url, meal: string(seed.Meal(7))}
	if err := t.signIn(ctx); err != nil {
		return trace{}, err
	}
	t.note(when, "POST /login", "signed in")
	t.cart = []cartLine{{Meal: t.meal, Quantity: 3}}
	status, err := t.call(ctx, http.MethodPut, "/cart", cart{t.cart}, nil, nil)
	if err != nil {
		return trace{}, err
	}
	t.note(when, fmt.Sprintf("PUT /cart, 3 of %s", t.meal), status)
	var placed order
	header := http.Header{"Idempotency-Key": {rand.Text()}}
	lines := cart{[]cartLine{{Meal: string(seed.Meal(9)), Quantity: 1}}}
	if status, err = t.call(ctx, http.MethodPost, "/orders", lines, header, &placed); err != nil {
		return trace{}, err
	}
	t.order = placed.ID
	t.note(when, "POST /orders", fmt.Sprintf("%d, order %s", status, t.order))
	t.price = 1000 + int(time.Now().Unix()%1000)
	header = http.Header{"Authorization": {"Bearer " + staffToken}}
	if status, err = t.call(ctx, http.MethodPut, "/meals/"+t.meal, meal{t.price}, header, nil); err != nil {
		return trace{}, err
	}
	t.note(when, fmt.Sprintf("PUT /meals/%s, price %d", t.meal, t.price), status)
	return t, nil
}

// find returns for each thing whether the service still has it, and notes each answer.
func (t *trace) find(ctx context.Context) (answer.Restart, error) {
	const when = "after"
	var r answer.Restart
	status, err := t.call(ctx, http.MethodGet, "/me", nil, nil, nil)
	t.note(when, "GET /me, with the cookie from before", status)
	if r.Sessions, err = keptIf(status == http.StatusOK, err, http.StatusUnauthorized); err != nil {
		return answer.Restart{}, err
	}
	if err := t.signIn(ctx); err != nil {
		return answer.Restart{}, err
	}
	t.note(when, "POST /login", "signed in")
	var left cart
	status, err = t.call(ctx, http.MethodGet, "/cart", nil, nil, &left)
	same := len(left.Lines) == 1 && left.Lines[0] == t.cart[0]
	t.note(when, "GET /cart", fmt.Sprintf("%d, lines: %s", status, left))
	if r.Carts, err = keptIf(same, err, 0); err != nil {
		return answer.Restart{}, err
	}
	status, err = t.call(ctx, http.MethodGet, "/orders/"+t.order, nil, nil, nil)
	t.note(when, "GET /orders/"+t.order, status)
	if r.Orders, err = keptIf(status == http.StatusOK, err, http.StatusNotFound); err != nil {
		return answer.Restart{}, err
	}
	var now meal
	status, err = t.call(ctx, http.MethodGet, "/meals/"+t.meal, nil, nil, &now)
	t.note(when, "GET /meals/"+t.meal, fmt.Sprintf("%d, price %d", status, now.Price))
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
