package spec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// manyIDs is how many ids of each form are checked.
	manyIDs = 100_000
	// leastProbability is the least probability of a spread. A good hash gives a less even spread once
	// in a billion runs. A bad hash is hundreds of powers of ten below it.
	leastProbability = 1e-9
)

// chance returns the probability that a good hash gives counts that are at least as uneven. It
// is Pearson's chi-square test.
func chance(counts []int) float64 {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	want, statistic := float64(sum)/float64(len(counts)), 0.0
	for _, n := range counts {
		statistic += (float64(n) - want) * (float64(n) - want) / want
	}
	return distuv.ChiSquared{K: float64(len(counts) - 1)}.Survival(statistic)
}

// odds describes a probability.
func odds(p float64) string {
	if p == 0 {
		return "a good hash is never so uneven"
	}
	return fmt.Sprintf("a good hash is so uneven once in %.0g times", 1/p)
}

// guarded calls code of the subject in this process. A panic of that code is a failure.
func guarded(look lab.Look, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &lab.Failure{Expected: "an answer", Seen: fmt.Sprintf("a panic: %v", p), Look: look}
		}
	}()
	return call()
}

// routerTimeout is the time limit of a check that calls the router alone. It takes well under a
// second otherwise, on a busy machine a few.
const routerTimeout = 30 * time.Second

// answered calls code of the subject as guarded does. Code that has not returned within the limit
// is a failure too; it goes on in the background.
func answered(limit time.Duration, look lab.Look, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- guarded(look, call) }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return &lab.Failure{Expected: "an answer", Seen: fmt.Sprintf("none within %s", limit), Look: look}
	}
}

// allAnswered calls scenarios one after the other, each as answered does, until one of them fails.
func allAnswered(ctx context.Context, limit time.Duration, look lab.Look, scenarios ...func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, scenario := range scenarios {
		if err := answered(limit, look, func() error { return scenario(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// sample is many ids of one form.
type sample struct {
	what string
	ids  []bytebites.UserID
}

// samples returns the ids that are checked.
func samples() []sample {
	seeded, joined, emails := make([]bytebites.UserID, manyIDs), make([]bytebites.UserID, manyIDs), make([]bytebites.UserID, manyIDs)
	now := time.Now()
	for i := range manyIDs {
		seeded[i] = seed.User(1 + i)
		joined[i] = bytebites.NewUserID(now.Add(time.Duration(i) * 37 * time.Millisecond))
		emails[i] = bytebites.UserID(seed.Email(1 + i))
	}
	return []sample{
		{"subscribers such as " + string(seeded[0]), seeded},
		{"people who join, such as " + string(joined[0]), joined},
		{"ids such as " + string(emails[0]), emails},
	}
}

// hostile returns texts that a client may send as an id.
func hostile() []string {
	return []string{
		"", " ", "0", "-1", "u", "\x00", "a\x00b", "\xff\xfe", "ü", "🥦", "'; DROP TABLE users; --", "../../etc/passwd",
		strings.Repeat("u", 10_000), "ord_", "ord__", "ord_zzz", "ord_-01", "ord_ZZZ_x", "ord_00", "ord_0000000000", "seed-", "ord_vvv_",
	}
}

// buckets checks the buckets of ids of all forms.
func (l *trial) buckets(context.Context, *lab.Run) error {
	return answered(routerTimeout, lab.Look{File: "router.go", Func: "router.Bucket"}, func() error {
		for _, text := range hostile() {
			if err := l.inRange(bytebites.UserID(text)); err != nil {
				return err
			}
		}
		for _, sample := range samples() {
			counts := make([]int, shard.Buckets)
			for _, id := range sample.ids {
				if err := l.inRange(id); err != nil {
					return err
				}
				counts[l.subject.Router.Bucket(id)]++
			}
			if p := chance(counts); p < leastProbability {
				fewest, most := extremes(counts)
				return &lab.Failure{
					Expected: fmt.Sprintf("%d %s spread evenly: about %d in each of %d buckets", len(sample.ids), sample.what, len(sample.ids)/shard.Buckets, shard.Buckets),
					Seen:     fmt.Sprintf("%d in the smallest bucket and %d in the largest; %s", fewest, most, odds(p)),
					Look:     lab.Look{File: "router.go", Func: "router.Bucket", Hint: "does every character of the id change the whole hash?"},
				}
			}
		}
		return nil
	})
}

// inRange demands a bucket from 0 to 1023, and the same one when it is asked again.
func (l *trial) inRange(id bytebites.UserID) error {
	b := l.subject.Router.Bucket(id)
	if b < 0 || b >= shard.Buckets {
		return &lab.Failure{
			Expected: fmt.Sprintf("a bucket from 0 to %d for %.40q", shard.Buckets-1, id), Seen: fmt.Sprintf("%d", b),
			Look: lab.Look{File: "router.go", Func: "router.Bucket", Hint: "what is the remainder of a negative number?"},
		}
	}
	if again := l.subject.Router.Bucket(id); again != b {
		return &lab.Failure{
			Expected: fmt.Sprintf("the same bucket for %.40q each time", id), Seen: fmt.Sprintf("%d and then %d", b, again),
			Look: lab.Look{File: "router.go", Func: "router.Bucket", Hint: "a seed that a process draws at its start is another one in every process"},
		}
	}
	return nil
}

func extremes(counts []int) (fewest, most int) {
	fewest, most = counts[0], counts[0]
	for _, n := range counts {
		fewest, most = min(fewest, n), max(most, n)
	}
	return fewest, most
}
