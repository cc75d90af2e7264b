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
	// manyIDs is how many ids of each sort are looked at.
	manyIDs = 100_000
	// unlikely is the probability that even spreading comes out so uneven by chance, below
	// which it is not even. Bad hashes are off by hundreds of powers of ten.
	unlikely = 1e-9
)

// chance returns how probable it is that an even spread comes out at least as uneven as
// counts: the chi-square test.
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

// odds says how probable something is.
func odds(p float64) string {
	if p == 0 {
		return "by chance never so uneven"
	}
	return fmt.Sprintf("by chance so uneven once in %.0g times", 1/p)
}

// guarded calls code of the subject in this process: a panic is its failure.
func guarded(where string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &lab.Failure{Expected: "an answer", Seen: fmt.Sprintf("a panic: %v", p), Look: lab.Look{Hint: where}}
		}
	}()
	return call()
}

// sample is ids of one sort.
type sample struct {
	what string
	ids  []bytebites.UserID
}

// samples are the ids that are looked at.
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
		{"ids such as " + string(emails[0]) + ", should they ever look so", emails},
	}
}

// hostile are texts that nobody expects as an id.
func hostile() []string {
	return []string{
		"", " ", "0", "-1", "u", "\x00", "a\x00b", "\xff\xfe", "ü", "🥦", "'; DROP TABLE users; --", "../../etc/passwd",
		strings.Repeat("u", 10_000), "ord_", "ord__", "ord_zzz", "ord_-01", "ord_ZZZ_x", "ord_00", "ord_0000000000", "seed-", "ord_vvv_",
	}
}

// buckets looks at which buckets ids of all sorts are in.
func (l *trial) buckets(context.Context, *lab.Run) error {
	return guarded("Bucket in router.go", func() error {
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
			if p := chance(counts); p < unlikely {
				fewest, most := extremes(counts)
				return &lab.Failure{
					Expected: fmt.Sprintf("%d %s spread evenly: some %d in each of %d buckets", len(sample.ids), sample.what, len(sample.ids)/shard.Buckets, shard.Buckets),
					Seen:     fmt.Sprintf("from %d to %d; %s", fewest, most, odds(p)),
					Look:     lab.Look{Hint: "Bucket in router.go: does every character of an id have a say in all of the hash?"},
				}
			}
		}
		return nil
	})
}

// inRange demands that an id's bucket is one, and the same when asked again.
func (l *trial) inRange(id bytebites.UserID) error {
	b := l.subject.Router.Bucket(id)
	if b < 0 || b >= shard.Buckets {
		return &lab.Failure{
			Expected: fmt.Sprintf("a bucket from 0 to %d for %.40q", shard.Buckets-1, id), Seen: fmt.Sprintf("%d", b),
			Look: lab.Look{Hint: "Bucket in router.go: what is the remainder of a negative number?"},
		}
	}
	if again := l.subject.Router.Bucket(id); again != b {
		return &lab.Failure{
			Expected: fmt.Sprintf("the same bucket for %.40q each time", id), Seen: fmt.Sprintf("%d and then %d", b, again),
			Look: lab.Look{Hint: "Bucket in router.go: whatever a process draws at its start, another draws anew"},
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
