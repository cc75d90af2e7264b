package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

// question is a question to the stores of a replica. The answer is a text that holds all that a
// visitor may see of it, so that answers can be compared.
type question struct {
	kind kind
	what string
	ask  func(ctx context.Context, r replica) (string, error)
	look lab.Look // where a wrong answer is mended
	// moves tells of a page that a change of a meal may put the meal on, or take it off.
	moves bool
}

func lookGet(hint string) lab.Look {
	return lab.Look{File: "through.go", Func: "reader.get", Hint: hint}
}

func lookKey(hint string) lab.Look {
	return lab.Look{File: "through.go", Func: "reader.key", Hint: hint}
}

func lookLoad(hint string) lab.Look {
	return lab.Look{File: "through.go", Func: "reader.loadOnce", Hint: hint}
}

func lookSession(hint string) lab.Look {
	return lab.Look{File: "sessions.go", Func: "sessions.Session", Hint: hint}
}

// missing is the answer for what does not exist.
const missing = "not found"

// orMissing turns ErrNotFound into an answer.
func orMissing(text string, err error) (string, error) {
	if errors.Is(err, bytebites.ErrNotFound) {
		return missing, nil
	}
	return text, err
}

func meal(id bytebites.MealID) question {
	return question{kind: aMeal, what: fmt.Sprintf("meal %s", id), ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.catalogue.Meal(ctx, id)
		return orMissing(fmt.Sprintf("%+v", found), err)
	}, look: lookKey("what makes the key of a meal?")}
}

func mealsByID(ids ...bytebites.MealID) question {
	return question{kind: aMeal, what: fmt.Sprintf("meals %s", ids), ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.catalogue.MealsByID(ctx, ids)
		all := make([]string, len(found))
		for i, m := range found {
			all[i] = fmt.Sprintf("%+v", m)
		}
		slices.Sort(all) // they come in no particular order
		return strings.Join(all, "\n"), err
	}, look: lookLoad("are all missing ids part of the name by which one load serves many?")}
}

func page(f bytebites.MealFilter) question {
	return question{kind: aPage, what: fmt.Sprintf("page %+v", f), moves: f.Search != "" || f.MaxPrice != 0, ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.catalogue.Meals(ctx, f)
		all := make([]string, len(found))
		for i, m := range found {
			all[i] = fmt.Sprintf("%+v", m)
		}
		return strings.Join(all, "\n"), err
	}, look: lab.Look{File: "catalogue.go", Func: "pageName", Hint: "what does the page depend on, and is all of it in the name, quoted?"}}
}

func ratingsOf(ids ...bytebites.MealID) question {
	return question{kind: aRating, what: fmt.Sprintf("ratings of %s", ids), ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.ratings.Ratings(ctx, ids)
		var all []string
		for id, rating := range found {
			all = append(all, fmt.Sprintf("%s: %+v", id, rating))
		}
		slices.Sort(all)
		return strings.Join(all, "\n"), err
	}, look: lookKey("does the key say of what kind the value is?")}
}

func popular(limit int) question {
	return question{kind: aPopular, what: fmt.Sprintf("the %d most popular meals", limit), ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.orders.Popular(ctx, limit)
		return fmt.Sprintf("%+v", found), err
	}, look: lab.Look{File: "catalogue.go", Func: "orders.Popular", Hint: "is the limit part of the key?"}}
}

func sessionOf(tokenHash [32]byte) question {
	return question{kind: aSession, what: fmt.Sprintf("the session of token hash %x...%x", tokenHash[:2], tokenHash[30:]), ask: func(ctx context.Context, r replica) (string, error) {
		found, err := r.sessions.Session(ctx, tokenHash)
		return orMissing(fmt.Sprintf("%s, %s", found.User, found.Email), err)
	}, look: lookSession("is the whole hash part of the key?")}
}

// right returns the answer of the stores.
func (s *seam) right(ctx context.Context, q question) (string, error) {
	return q.ask(context.WithValue(ctx, aside{}, true), s.truth)
}

// want demands the right answer to a question from a replica.
func (s *seam) want(ctx context.Context, r int, q question, when string) error {
	expected, err := s.right(ctx, q)
	if err != nil {
		return err
	}
	return s.wantText(ctx, r, q, expected, when)
}

// wantText demands an answer to a question from a replica.
func (s *seam) wantText(ctx context.Context, r int, q question, expected, when string) error {
	seen, err := bounded(ctx, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[r]) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && seen == expected {
		return nil
	}
	told, wanted := differ(expected, seen)
	if err != nil {
		told = "error: " + err.Error()
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("%s on replica %d, %s: %s", q.what, r+1, when, wanted), Seen: told, Waited: overdue(err), Look: q.look,
	}
}

// quoteBytes is how much of an answer a failure quotes, and quoteBefore how much of that stands
// before the first difference.
const (
	quoteBytes  = 120
	quoteBefore = 50
)

// differ quotes an answer and the right one where they begin to differ.
func differ(expected, seen string) (told, wanted string) {
	same := 0
	for same < min(len(expected), len(seen)) && expected[same] == seen[same] {
		same++
	}
	from := max(same-quoteBefore, 0)
	return quote(seen, from), quote(expected, from)
}

func quote(text string, from int) string {
	if text == "" {
		return "nothing"
	}
	quoted := text[from:min(from+quoteBytes, len(text))]
	if from > 0 {
		quoted = "..." + quoted
	}
	if from+quoteBytes < len(text) {
		quoted += "..."
	}
	return quoted
}

// wantAll demands the right answers to all questions from all replicas.
func (s *seam) wantAll(ctx context.Context, questions []question, when string) error {
	for r := range s.replicas {
		for _, q := range questions {
			if err := s.want(ctx, r, q, when); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantAtOnce is wantAll with all questions at the same time. It returns when each has an answer.
func (s *seam) wantAtOnce(ctx context.Context, questions []question, when string) error {
	wrong := make([]error, len(s.replicas)*len(questions))
	var callers sync.WaitGroup
	for r := range s.replicas {
		for i, q := range questions {
			callers.Go(func() { wrong[r*len(questions)+i] = s.want(ctx, r, q, when) })
		}
	}
	callers.Wait()
	return cmp.Or(wrong...)
}

// at returns questions with another place to look at.
func at(look lab.Look, questions []question) []question {
	all := slices.Clone(questions)
	for i := range all {
		all[i].look = look
	}
	return all
}

// newSession returns a session of subscriber n.
func newSession(n byte, lasts time.Duration) bytebites.Session {
	return bytebites.Session{
		TokenHash: [32]byte{0: n, 31: n}, User: bytebites.UserID(fmt.Sprintf("u%07d", n)), Email: fmt.Sprintf("user%d@bytebites.example", n),
		ExpiresAt: time.Now().Add(lasts).UTC(),
	}
}
