package dinner

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"bytebites.example/workshop/shared/measure/probe/pgstat"
)

// queriesEvery is the time from one reading of pg_stat_statements to the next. A reading takes about a
// millisecond of a server's CPU time.
const queriesEvery = time.Second

// queries counts the statements so far that read or changed a table. A part is missing while one of its
// servers does not answer, because a fault holds it.
func (s *Stack) queries(ctx context.Context) (map[string]int64, error) {
	counts, errs := make([]int64, 1+len(s.pools)), make([]error, 1+len(s.pools))
	var reads sync.WaitGroup
	for i, pool := range append([]*sql.DB{s.catalogue}, s.pools...) {
		reads.Go(func() {
			var statements []pgstat.Statement
			statements, errs[i] = pgstat.Read(ctx, pool)
			for _, statement := range statements {
				if statement.Table() != "" { // not the beginning of a transaction, or its end
					counts[i] += statement.Calls
				}
			}
		})
	}
	reads.Wait()
	return sumQueries(counts, errs)
}

// sumQueries returns the counts of the parts. The first count is the catalogue's, all others are those of the
// shards. The error is one of several if no part is known.
func sumQueries(counts []int64, errs []error) (map[string]int64, error) {
	sums := make(map[string]int64)
	var failed, shard error
	all := int64(0)
	for i, n := range counts {
		switch {
		case errs[i] != nil:
			failed = errs[i]
			if i > 0 {
				shard = errs[i]
			}
		case i == 0:
			sums[string(Catalogue)] = n
		default:
			all += n
		}
	}
	if shard == nil {
		sums[string(Shards)] = all
	}
	if len(sums) == 0 {
		return nil, failed
	}
	return sums, nil
}
