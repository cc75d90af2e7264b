package spec

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The bounds of an answer's age that the lesson states. They are what a lost deletion costs.
const (
	// keptFor is how long a meal is kept at least, unless it changes.
	keptFor = 10 * time.Minute
	// oldestAnswer is how old a meal, a page, a rating or a session may be.
	oldestAnswer = 2 * time.Hour
	// oldestPopular is how old the list of popular meals may be.
	oldestPopular = 5 * time.Minute
	// oldestAbsence is how long a meal may be said not to exist when it does.
	oldestAbsence = time.Minute
	// absentAtLeast is how long it is kept at least that a meal does not exist. A constant without a
	// unit is so many nanoseconds.
	absentAtLeast = 5 * time.Second
)

// shown is what a visitor may look at while a meal changes.
func shown() []question {
	all := []question{meal("m010"), meal("m011"), mealsByID("m009", "m010", "m011"), ratingsOf("m010"), ratingsOf("m009", "m010"), popular(10)}
	for _, f := range []bytebites.MealFilter{
		{Limit: 20}, {Limit: 20, After: "m005"}, {Limit: 20, Cuisine: "greek"}, {Limit: 20, Diet: "halal"}, {Limit: 20, Cuisine: "greek", Diet: "halal"},
		{Limit: 20, MaxPrice: 600}, {Limit: 20, MaxPrice: 590}, {Limit: 20, Search: "m010"}, {Limit: 20, Search: "moussaka"},
		{Limit: 20, Search: "dish", MaxPrice: 600}, {Limit: 20, After: "m005", MaxPrice: 600},
	} {
		all = append(all, page(f))
	}
	return all
}

// everyPage changes a meal's price, its name and its rating through one replica. Each time all that
// shows the meal must be right on both replicas as soon as the change is answered.
func (s *seam) everyPage(ctx context.Context) error {
	for _, c := range []struct {
		what string
		look lab.Look
		make func(ctx context.Context, r replica) error
	}{
		{"a higher price", lookUpdate("which keys hold the meal, and are all of them deleted?"), priceTo(650)},
		{"a lower price", lookUpdate("which keys hold the meal, and are all of them deleted?"), priceTo(420)},
		{"a new name", lookUpdate("which answers depend on a meal's name?"), rename("moussaka")},
		{"a new description", lookUpdate("which fields of a change does it look at?"), describe("with aubergines")},
		{"new stars", lab.Look{File: "catalogue.go", Func: "ratings.Rate", Hint: "which keys hold the rating, and are all of them deleted?"}, rate},
	} {
		if err := s.changed(ctx, c.what, c.look, c.make); err != nil {
			return err
		}
	}
	if err := s.answeredLast(ctx, "the deletion of a meal's entry", lookUpdate("does the caller wait for the deletion?"), func(n byte) error {
		return priceTo(bytebites.Cents(700+int(n)))(ctx, s.replicas[0])
	}); err != nil {
		return err
	}
	look := lab.Look{File: "catalogue.go", Func: "ratings.Rate", Hint: "does the caller wait for the deletion?"}
	if err := s.answeredLast(ctx, "the deletion of a rating's entry", look, func(byte) error { return rate(ctx, s.replicas[0]) }); err != nil {
		return err
	}
	return s.unchanged(ctx)
}

const (
	// lastTries is how often a change is made whose command to Redis takes lateAnswer. At most lastMost of
	// these changes may be answered before the command is over.
	lastTries = 5
	lastMost  = lastTries / 2
)

// answeredLast makes a change several times, while Redis takes lateAnswer for the first command that
// changes a key after the commit. It demands that the change is answered after this command.
func (s *seam) answeredLast(ctx context.Context, what string, look lab.Look, change func(n byte) error) error {
	early := 0
	for n := range byte(lastTries) {
		var committed time.Time
		s.memory.change(func() {
			s.memory.committed = func() {
				committed = time.Now()
				s.redis.slowsNextChange()
			}
		})
		answered, err := bounded(ctx, what, func(context.Context) (time.Time, error) {
			err := change(n)
			return time.Now(), err
		})
		s.memory.change(func() { s.memory.committed = nil })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return &lab.Failure{Expected: "no error of a change of which " + what + " is a part", Seen: err.Error(), Waited: overdue(err), Look: look}
		}
		// A client that has given up waiting for Redis answers later than this, and one that does not call
		// Redis sends no command.
		if answered.Sub(committed) < lateAnswer && s.changeFollows(ctx) {
			early++
		}
	}
	if early > lastMost {
		return &lab.Failure{
			Expected: what + " in Redis before the change is answered, because the next request may come at once",
			Seen:     fmt.Sprintf("%d of %d changes answered while Redis was still at it", early, lastTries), Look: look,
		}
	}
	s.redis.flush()
	return nil
}

// changeFollows reports whether the first command that changes a key since slowsNextChange ends from now on.
func (s *seam) changeFollows(ctx context.Context) bool {
	if s.redis.changesOver() > 0 {
		return false
	}
	for began := time.Now(); time.Since(began) < settleFor; {
		if rig.Pause(ctx, pollEvery) != nil {
			return false
		}
		if s.redis.changesOver() > 0 {
			return true
		}
	}
	return false
}

func lookUpdate(hint string) lab.Look {
	return lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: hint}
}

func lookPage(hint string) lab.Look {
	return lab.Look{File: "catalogue.go", Func: "catalogue.Meals", Hint: hint}
}

func priceTo(price bytebites.Cents) func(context.Context, replica) error {
	return func(ctx context.Context, r replica) error {
		_, err := r.catalogue.UpdateMeal(ctx, "m010", bytebites.MealChange{Price: &price})
		return err
	}
}

func rename(name string) func(context.Context, replica) error {
	return func(ctx context.Context, r replica) error {
		_, err := r.catalogue.UpdateMeal(ctx, "m010", bytebites.MealChange{Name: &name})
		return err
	}
}

func describe(description string) func(context.Context, replica) error {
	return func(ctx context.Context, r replica) error {
		_, err := r.catalogue.UpdateMeal(ctx, "m010", bytebites.MealChange{Description: &description})
		return err
	}
}

func rate(ctx context.Context, r replica) error { return r.ratings.Rate(ctx, "u0000001", "m010", 1) }

// overtaken is the circumstance of a change after whose commit another one is made and answered.
const overtaken = ", which another change overtook"

// lostAnswer is the circumstance of a change that is committed, and whose connection then breaks.
const lostAnswer = ", which was committed although the database returned an error"

// changed makes a change five times. First nothing happens beside it. Then both replicas read just
// before the commit, the caller leaves just before the commit, the answer of the commit is lost, and
// another replica makes the next change.
func (s *seam) changed(ctx context.Context, what string, look lab.Look, change func(context.Context, replica) error) error {
	questions := at(look, shown())
	for _, circumstance := range []struct {
		what string
		hint string
		make func(leave context.CancelFunc) func()
	}{
		{"", "", nil},
		{", which both replicas read just before its commit", "delete when the store has committed, not before", func(context.CancelFunc) func() {
			return func() { s.readEverywhere(ctx, questions) }
		}},
		{", whose caller left while it was made", "does the deletion end with the caller's request?", func(leave context.CancelFunc) func() { return leave }},
		{lostAnswer, "delete after an error too: the commit may have gone through", nil},
		{overtaken, "delete the entry and do not write it: of two changes the older may write last", nil},
	} {
		if err := s.wantAll(ctx, questions, "before "+what); err != nil {
			return err
		}
		caller, leave := context.WithCancel(ctx)
		if circumstance.make != nil {
			during := circumstance.make(leave)
			s.memory.change(func() { s.memory.changing = during })
		}
		unsure := circumstance.what == lostAnswer
		var next func()
		if circumstance.what == overtaken {
			next = func() { _ = change(ctx, s.replicas[1]) } // the answers afterwards tell whether it was made
		}
		s.memory.change(func() { s.memory.unsure, s.memory.committed = unsure, next })
		_, err := bounded(caller, what, func(ctx context.Context) (struct{}, error) { return struct{}{}, change(ctx, s.replicas[0]) })
		s.memory.change(func() { s.memory.unsure = false })
		left := caller.Err() != nil
		leave()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case unsure && err == nil:
			return &lab.Failure{Expected: "the error of the database" + lostAnswer, Seen: "none", Look: look}
		case err != nil && !left && !unsure:
			return &lab.Failure{Expected: what + " to be answered without an error", Seen: err.Error(), Waited: overdue(err), Look: look}
		}
		if left {
			s.settle(ctx)
		}
		after := at(look, questions)
		for i := range after {
			switch {
			case circumstance.hint != "":
				after[i].look.Hint = circumstance.hint
			case after[i].moves:
				after[i].look = lookPage("does it send each search and each highest price to the store? A change may move the meal onto such a page, or off it")
			case after[i].kind == aPage:
				after[i].look = lookPage("what does an entry of a page hold: whole meals, or their ids?")
			}
		}
		if err := s.wantAll(ctx, after, "after "+what+circumstance.what); err != nil {
			return err
		}
	}
	return nil
}

// readEverywhere asks all replicas questions, whose answers do not matter.
func (s *seam) readEverywhere(ctx context.Context, questions []question) {
	for _, r := range s.replicas {
		for _, q := range questions {
			_, _ = bounded(ctx, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, r) })
		}
	}
}

// settleFor is the time that a deletion may take after its caller has left.
const settleFor = 200 * time.Millisecond

func (s *seam) settle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(settleFor):
	}
}

// unchanged demands that the errors of the store come through, and that they change nothing.
func (s *seam) unchanged(ctx context.Context) error {
	price := bytebites.Cents(999)
	for _, test := range []struct {
		what string
		want error
		id   bytebites.MealID
		in   bytebites.MealChange
	}{
		{"a change of a meal that does not exist", bytebites.ErrNotFound, "none", bytebites.MealChange{Price: &price}},
		{"a change of another version", bytebites.ErrConflict, "m012", bytebites.MealChange{Price: &price, Version: 77}},
	} {
		_, err := bounded(ctx, test.what, func(ctx context.Context) (bytebites.Meal, error) {
			return s.replicas[0].catalogue.UpdateMeal(ctx, test.id, test.in)
		})
		if !errors.Is(err, test.want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the store's error for %s: %v", test.what, test.want), Seen: fmt.Sprint(err),
				Look: lookUpdate("which error does it return?"),
			}
		}
	}
	return s.wantAll(ctx, []question{meal("m012"), page(bytebites.MealFilter{Limit: 20})}, "after a change that the store refused")
}

// expiredAnswers changes the stores behind the cache's back, and turns the clock of Redis forward.
func (s *seam) expiredAnswers(ctx context.Context) error {
	unrated := s.memory.unrated()
	kept := []question{
		meal("m010"), mealsByID("m009", "m010"), ratingsOf("m010"), ratingsOf(unrated),
		page(bytebites.MealFilter{Limit: 20, Cuisine: "thai", After: "m048"}), // m500 will be on it
	}
	lasting := at(lookTTL("which time to live has each key?"), append(shown(), kept...))
	longKept := []question{meal("m010"), meal("m011"), meal("m021"), meal("m022"), meal("m023"), meal("m024")}
	during, err := s.callsFromNow()
	if err != nil {
		return err
	}
	if err := s.wantAll(ctx, append(append(lasting, longKept...), popular(50)), "read at first"); err != nil {
		return err
	}
	s.redis.forward(keptFor)
	s.memory.questions(aMeal)
	if err := s.wantAll(ctx, longKept, fmt.Sprintf("%s later", keptFor)); err != nil {
		return err
	}
	// A Redis that is late for once is a miss too.
	if n := s.memory.questions(aMeal); n > len(longKept)/2 {
		late, err := during.late(n - len(longKept)/2)
		if err != nil {
			return err
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%d meals that are still in Redis %s after they were read", len(longKept), keptFor),
			Seen:     fmt.Sprintf("%d questions to the database", n), Waited: late, Look: lookTTL("which time to live has the key of a meal?"),
		}
	}
	s.memory.change(func() {
		s.memory.add("m500", "thai", "vegan", 777)
		for i := range s.memory.popular {
			s.memory.popular[i].Portions++
		}
	})
	look := lab.Look{File: "catalogue.go", Func: "Cache.popular", Hint: "how old may the list be?"}
	// By now popular meals have expired. They are read again, and get old again.
	if err := s.wantAll(ctx, at(look, []question{popular(50)}), fmt.Sprintf("%s after they were read", keptFor)); err != nil {
		return err
	}
	s.memory.change(func() {
		for i := range s.memory.popular {
			s.memory.popular[i].Portions++
		}
	})
	s.redis.forward(oldestPopular)
	if err := s.wantAll(ctx, at(look, []question{popular(50), popular(10)}), fmt.Sprintf("%s after they were read", oldestPopular)); err != nil {
		return err
	}
	return s.expireAll(ctx, lasting, unrated)
}

func lookTTL(hint string) lab.Look {
	return lab.Look{File: "catalogue.go", Func: "Cache.Catalogue", Hint: hint}
}

// absences reads a meal that does not exist, adds it, and turns the clock of Redis forward.
func (s *seam) absences(ctx context.Context) error {
	look := lab.Look{File: "through.go", Func: "reader.entries", Hint: "for how long is it kept that there is no such meal?"}
	for _, q := range []question{meal("m500"), mealsByID("m500", "m501"), mealsByID("m510", "m511"), mealsByID("m001", "m512", "m513")} {
		q.look = lab.Look{File: "through.go", Func: "reader.take", Hint: "what does an entry with an empty text say?"}
		if err := s.isKept(ctx, q); err != nil {
			var failure *lab.Failure
			if errors.As(err, &failure) {
				failure.Look = look
				failure.Look.Hint = "keep that there is no such meal, for some seconds"
			}
			return err
		}
	}
	none := at(lab.Look{File: "through.go", Func: "reader.take"}, []question{meal("m500")})[0]
	if err := s.countsA(ctx, meter.Absent, none, "for a meal of which is kept that it does not exist"); err != nil {
		return err
	}
	if err := s.absentStays(ctx); err != nil {
		return err
	}
	s.memory.change(func() { s.memory.add("m500", "thai", "vegan", 777) })
	s.redis.forward(oldestAbsence)
	return s.wantAll(ctx, at(look, []question{meal("m500")}), fmt.Sprintf("a new meal, %s after the answer that there is none", oldestAbsence))
}

// absentStays reads meals that do not exist, before and after absentAtLeast.
func (s *seam) absentStays(ctx context.Context) error {
	none := []question{meal("m502"), meal("m503"), meal("m504"), meal("m505"), meal("m506"), meal("m507")}
	during, err := s.callsFromNow()
	if err != nil {
		return err
	}
	if err := s.wantAll(ctx, none, "read at first"); err != nil {
		return err
	}
	s.redis.forward(absentAtLeast)
	s.memory.questions(aMeal)
	if err := s.wantAll(ctx, none, fmt.Sprintf("%s later", absentAtLeast)); err != nil {
		return err
	}
	// A Redis that is late for once is a miss too.
	if n := s.memory.questions(aMeal); n > len(none)/2 {
		late, err := during.late(n - len(none)/2)
		if err != nil {
			return err
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("entries that say that %d meals do not exist, %s after these were read", len(none), absentAtLeast),
			Seen:     fmt.Sprintf("%d questions to the database", n), Waited: late,
			Look: lab.Look{File: "through.go", Func: "reader.entries", Hint: "which time to live has such an entry, and in which unit?"},
		}
	}
	return nil
}

// expireAll changes all that is kept, and demands that nothing old is left after oldestAnswer.
func (s *seam) expireAll(ctx context.Context, lasting []question, unrated bytebites.MealID) error {
	s.memory.change(func() {
		for i := range s.memory.meals {
			s.memory.meals[i].Price += 7
		}
		for id := range s.memory.ratings {
			s.memory.ratings[id] = bytebites.Rating{Count: 99, Average: 2}
		}
		s.memory.ratings[unrated] = bytebites.Rating{Count: 1, Average: 5}
	})
	s.redis.forward(oldestAnswer)
	return s.wantAll(ctx, lasting, fmt.Sprintf("%s after a change whose deletion was lost", oldestAnswer))
}

// versionPart is a part of a key's name that holds a version.
var versionPart = regexp.MustCompile(`^v?[0-9]+$`)

// entries demands a version in the name of a meal's key, and that entries which cannot be read are
// loaded anew.
func (s *seam) entries(ctx context.Context) error {
	s.redis.flush()
	if err := s.wantAll(ctx, []question{meal("m040")}, "with an empty Redis"); err != nil {
		return err
	}
	names := s.redis.server.Keys()
	for _, name := range names {
		if strings.Contains(name, "m040") || !strings.Contains(strings.Join(names, " "), "m040") {
			if !hasVersion(name) {
				return &lab.Failure{
					Expected: "a version among the parts of a key's name, such as bytebites:1:meal:m0001", Seen: fmt.Sprintf("%.100s", name),
					Look: lookKey("what do replicas of two releases that share a Redis make of each other's entries?"),
				}
			}
		}
	}
	questions := []question{
		meal("m040"), mealsByID("m041", "m042"), ratingsOf("m041"), popular(10), page(bytebites.MealFilter{Limit: 20}), meal("none"),
	}
	session := newSession(2, time.Hour)
	s.memory.change(func() { s.memory.sessions[session.TokenHash] = session })
	questions = append(questions, sessionOf(session.TokenHash))
	if err := s.wantAll(ctx, questions, "with an empty Redis"); err != nil {
		return err
	}
	for _, name := range s.redis.server.Keys() {
		s.redis.server.Del(name)
		if err := s.redis.server.Set(name, "{"); err != nil {
			return fmt.Errorf("overwrite %s: %w", name, err)
		}
	}
	const broken = `when each entry in Redis is "{"`
	questions = at(lab.Look{File: "through.go", Func: "reader.look", Hint: "what becomes of an entry that cannot be decoded?"}, questions)
	if err := s.countsA(ctx, meter.Miss, questions[0], broken); err != nil {
		return err
	}
	return s.wantAll(ctx, questions, broken)
}

func hasVersion(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune(":/.-_|{}", r) }) {
		if versionPart.MatchString(part) {
			return true
		}
	}
	return false
}
