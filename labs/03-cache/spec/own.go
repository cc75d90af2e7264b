package spec

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// gatherFor is how long the stores hold their answers back, so that callers that ask at the same
// time meet.
const gatherFor = 60 * time.Millisecond

// kept demands that a second read of things that exist does not reach the stores.
func (s *seam) kept(ctx context.Context) error {
	for _, q := range []question{meal("m005"), mealsByID("m007", "m008", "M001"), ratingsOf(s.memory.rated()...), popular(10)} {
		if err := s.isKept(ctx, q); err != nil {
			return err
		}
	}
	s.redis.flush() // a list of another length is in Redis, and "own answers" judges the names of keys
	if err := s.isKept(ctx, popular(mostPopular)); err != nil {
		return err
	}
	// A page may be an entry of ids. Then its meals are read by their ids, from Redis too.
	menu := at(lookPage(""), []question{page(bytebites.MealFilter{Limit: 20})})[0]
	if err := s.isKept(ctx, menu, aMeal); err != nil {
		return err
	}
	return s.fewPopular(ctx)
}

// mostPopular is the longest list of popular meals that the API gives.
const mostPopular = 50

// fewPopular asks for popular meals when there is one, and when there is none.
func (s *seam) fewPopular(ctx context.Context) error {
	var all []bytebites.Popularity
	s.memory.change(func() { all = s.memory.popular })
	defer s.memory.change(func() { s.memory.popular = all })
	for n := range 2 {
		s.redis.flush()
		s.memory.change(func() { s.memory.popular = all[:n] })
		q := popular(10)
		q.look.Hint = "what does it return for a list that is shorter than the limit?"
		if err := s.wantAll(ctx, []question{q, q}, fmt.Sprintf("while the orders are of %d meals", n)); err != nil {
			return err
		}
	}
	s.redis.flush()
	return nil
}

const (
	// keptReads is how often each replica reads again what all have read. keptMisses is how many of
	// these reads may reach the stores: a Redis that is late for once, because the machine is busy,
	// is a miss.
	keptReads  = 10
	keptMisses = 4
)

// isKept reads again what all replicas have read, and counts the questions to the stores. It counts those of the
// question's kind, and of further kinds that the answer is made of.
func (s *seam) isKept(ctx context.Context, q question, also ...kind) error {
	asked := func() (sum int) {
		for _, k := range append(also, q.kind) {
			sum += s.memory.questions(k)
		}
		return sum
	}
	if err := s.wantAll(ctx, []question{q}, "read for the first time"); err != nil {
		return err
	}
	during, err := s.callsFromNow()
	if err != nil {
		return err
	}
	asked()
	for range keptReads {
		if err := s.wantAll(ctx, []question{q}, "read again"); err != nil {
			return err
		}
	}
	if n := asked(); n > keptMisses {
		late, err := during.late(n - keptMisses)
		if err != nil {
			return err
		}
		look := q.look
		look.Hint = "is a loaded value put into Redis, and looked up the next time?"
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d questions to the database for %d reads of %s, after each replica has read it once",
				keptMisses, keptReads*seamReplicas, q.what),
			Seen: fmt.Sprintf("%d", n), Waited: late, Look: look,
		}
	}
	return nil
}

// ownNames asks for ids that contain two other ids, first without and then with the text that their keys begin with.
func (s *seam) ownNames(ctx context.Context) error {
	s.redis.flush()
	const id = "m001"
	if err := s.wantAll(ctx, []question{meal(id), ratingsOf(id)}, "read at first"); err != nil {
		return err
	}
	beginnings := map[string]bool{"": true}
	for _, key := range s.redis.server.Keys() {
		if beginning, ok := strings.CutSuffix(key, id); ok {
			beginnings[beginning] = true
		}
	}
	for _, beginning := range slices.Sorted(maps.Keys(beginnings)) {
		if err := s.runTogether(ctx, beginning); err != nil {
			return err
		}
	}
	return nil
}

// runTogether asks for ids that consist of two other ids, with a separator and a beginning between them. While
// these loads are under way, it asks for the two.
func (s *seam) runTogether(ctx context.Context, beginning string) error {
	var one, two []question
	for i, between := range append(separators(), "", "\n") {
		a, b := bytebites.MealID(fmt.Sprintf("m%03d", 2*i+1)), bytebites.MealID(fmt.Sprintf("m%03d", 2*i+2))
		joined := a + bytebites.MealID(between+beginning) + b
		one = append(one, mealsByID(joined), ratingsOf(joined))
		two = append(two, mealsByID(a, b), ratingsOf(a, b))
	}
	look := lookLoad("do two lists of ids share a name when an id has a separator in it? The whole keys, with a separator that no key has, tell them apart")
	one, two = at(look, one), at(look, two)
	s.redis.flush()
	letGo := s.memory.hold()
	defer letGo()
	asked := make(chan error, 2)
	for _, questions := range [][]question{one, two} {
		go func() { asked <- s.wantAtOnce(ctx, questions, "asked while ids that look alike are loaded") }()
		if err := rig.Pause(ctx, gatherFor); err != nil {
			return err
		}
	}
	letGo()
	return cmp.Or(<-asked, <-asked)
}

// ownAnswers asks for many different things with similar names: at the same time, and then again.
func (s *seam) ownAnswers(ctx context.Context) error {
	if err := s.ownNames(ctx); err != nil {
		return err
	}
	return s.own(ctx, []question{
		meal("m001"), meal("M001"), meal("m001-m002"), meal("m001_m002"), meal("m002"), meal("m00"), meal("m0011"), meal("10"), meal("50"),
		meal("none"), meal("None"), meal("thai"),
		mealsByID("m001", "m002"), mealsByID("m001", "m003"), mealsByID("m003", "m001", "m004"), mealsByID("m002", "m003"), mealsByID("m003"), mealsByID("m001-m002", "m003"), mealsByID("m001_m002"), mealsByID("m001-m002"), mealsByID("m001m002"),
		mealsByID("10", "50"), mealsByID("1050"),
		mealsByID("m010", "m011", "m013"), mealsByID("m010", "m012", "m013"), ratingsOf("m010", "m011", "m013"), ratingsOf("m010", "m012", "m013"),
		mealsByID("none", "m004"), mealsByID("m054", "M001", "10"),
		ratingsOf("m001"), ratingsOf("M001"), ratingsOf("m002", "m003"), ratingsOf("m002", "m004"), ratingsOf("m001", "m002"), ratingsOf("10"), ratingsOf("50"), ratingsOf("none"),
		popular(10), popular(1), popular(mostPopular), popular(9), popular(mostPopular + 3), popular(0),
	})
}

// ownPages does the same with pages, whose filters a visitor writes.
func (s *seam) ownPages(ctx context.Context) error {
	pages := []question{popular(10), meal("m001")}
	for _, f := range []bytebites.MealFilter{
		{Limit: 20}, {Limit: 21}, {Limit: 2}, {Limit: 20, After: "m020"}, {Limit: 2, After: "m020"}, {Limit: 20, After: "thai"},
		{Limit: 20, After: "m001-m002"}, {Limit: 20, After: "m001"},
		{Limit: 20, Cuisine: "thai"}, {Limit: 20, Cuisine: "greek"}, {Limit: 20, Cuisine: "Thai"},
		{Limit: 20, Diet: "vegan"}, {Limit: 20, Diet: "halal"}, {Limit: 20, Diet: "20"}, {Limit: 20, Diet: "thai"}, {Limit: 20, Cuisine: "vegan"},
		{Limit: 20, Cuisine: "thai", Diet: "vegan"}, {Limit: 20, Cuisine: "thai:vegan"}, {Limit: 20, Cuisine: "thai", Diet: "halal"},
		{Limit: 20, Cuisine: "thai", After: "m020"}, {Limit: 20, Diet: "vegan", After: "m020"}, {Limit: 20, Cuisine: "thai", Diet: "vegan", After: "m003"},
		{Limit: 20, Search: "m01"}, {Limit: 20, Search: "M02"}, {Limit: 20, Search: "vegan"}, {Limit: 20, MaxPrice: 600}, {Limit: 20, MaxPrice: 700},
		{Limit: 20, Search: "m01", MaxPrice: 600}, {Limit: 20, Cuisine: "thai", Search: "m01"}, {Limit: 20, Cuisine: "thai", MaxPrice: 600},
		{Limit: 20, Cuisine: "none"},
	} {
		pages = append(pages, page(f))
	}
	for _, between := range separators() {
		pages = append(pages, splitPages(between)...)
	}
	if err := s.own(ctx, pages); err != nil {
		return err
	}
	for _, between := range separators() { // a larger crowd would wait for Redis longer than a call may last
		if err := s.own(ctx, splitCursors(between)); err != nil {
			return err
		}
	}
	return s.walk(ctx, 7)
}

// splitPages returns pages whose filters are the same text when their parts are joined.
func splitPages(between string) []question {
	return []question{
		page(bytebites.MealFilter{Limit: 20, Cuisine: "thai" + between + "greek", Diet: "vegan"}),
		page(bytebites.MealFilter{Limit: 20, Cuisine: "thai", Diet: "greek" + between + "vegan"}),
	}
}

// splitCursors does the same with a diet and a cursor, without and with the empty text of a search between
// them. No meal has the diet of the first and the third page.
func splitCursors(between string) []question {
	return []question{
		page(bytebites.MealFilter{Limit: 20, Diet: "vegan" + between + "l"}),
		page(bytebites.MealFilter{Limit: 20, Diet: "vegan", After: bytebites.MealID("l" + between)}),
		page(bytebites.MealFilter{Limit: 20, Diet: "vegan" + between + between + "l"}),
		page(bytebites.MealFilter{Limit: 20, Diet: "vegan", After: bytebites.MealID("l" + between + between)}),
	}
}

// walk reads all pages of the menu, as a visitor who always asks for the next one.
func (s *seam) walk(ctx context.Context, limit int) error {
	for r := range s.replicas {
		var after bytebites.MealID
		for range len(s.memory.meals)/limit + 1 {
			if err := s.want(ctx, r, page(bytebites.MealFilter{After: after, Limit: limit}), "the next page of the menu"); err != nil {
				return err
			}
			rest, err := s.truth.catalogue.Meals(context.WithValue(ctx, aside{}, true), bytebites.MealFilter{After: after, Limit: limit})
			if err != nil {
				return err
			}
			if len(rest) < limit {
				break
			}
			after = rest[limit-1].ID
		}
	}
	return nil
}

// own asks all questions at the same time while the stores hold their answers back, and then one
// after the other. Each caller must get the answer to its own question.
func (s *seam) own(ctx context.Context, questions []question) error {
	s.redis.flush()
	letGo := s.memory.hold()
	defer letGo()
	asked := make(chan error, 1)
	go func() { asked <- s.wantAtOnce(ctx, questions, "asked at the same time as other questions") }()
	if err := rig.Pause(ctx, gatherFor); err != nil {
		return err
	}
	letGo()
	if err := <-asked; err != nil {
		return err
	}
	return s.wantAll(ctx, questions, "read again")
}
