// Package mine composes the labs below from the learner's own labs and from solutions. It is given.
//
// It imports every lab. So only `check 07 --mine` compiles it, and code that is half typed in one lab
// does not break lab 07 itself.
package mine

import (
	"fmt"
	"strconv"
	"strings"

	own00 "bytebites.example/workshop/labs/00-baseline"
	own01 "bytebites.example/workshop/labs/01-vertical"
	own02 "bytebites.example/workshop/labs/02-horizontal"
	own03 "bytebites.example/workshop/labs/03-cache"
	own04 "bytebites.example/workshop/labs/04-sharding"
	own05 "bytebites.example/workshop/labs/05-queue"
	own06 "bytebites.example/workshop/labs/06-autoscale"
	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/01-vertical"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/05-queue"
)

// labs is how many labs there are below lab 07.
const labs = 7

// Choice says of each lab, by number, whether it is the learner's own. The others are solutions.
type Choice [labs]bool

// Parse reads a choice: numbers such as "00,03", in any order. An empty text chooses no own lab.
func Parse(text string) (Choice, error) {
	var c Choice
	if text == "" {
		return c, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= labs {
			return Choice{}, fmt.Errorf("own labs %q: %q: want numbers from 00 to %02d, such as 00,03", text, word, labs-1)
		}
		c[n] = true
	}
	return c, nil
}

// String returns the numbers of the own labs, as Parse reads them.
func (c Choice) String() string {
	var own []string
	for n, yes := range c {
		if yes {
			own = append(own, fmt.Sprintf("%02d", n))
		}
	}
	return strings.Join(own, ",")
}

// Compose returns the service with all labs below.
func (c Choice) Compose() service.Composition {
	composed := service.Baseline()
	for n, lab := range []struct{ own, solution func(*service.Composition) }{
		{own00.Apply, baseline.Apply},
		{own01.Apply, vertical.Apply},
		{own02.Apply, horizontal.Apply},
		{own03.Apply, cache.Apply},
		{own04.Apply, sharding.Apply},
		{own05.Apply, queue.Apply},
	} {
		if c[n] {
			lab.own(&composed)
		} else {
			lab.solution(&composed)
		}
	}
	return composed
}

// Labs returns the labs below. Their program is that of lab 07, whose main calls Compose.
func (c Choice) Labs() below.Labs {
	l := below.Solutions()
	l.Package, l.Args = "./labs/07-dinner-rush/service", []string{"--mine", c.String()}
	if c[2] {
		l.Nginx = own02.NginxConf()
	}
	if c[3] {
		l.Redis = own03.RedisConf()
	}
	if c[4] {
		l.Router = own04.NewRouter()
	}
	if c[6] {
		l.Policy = own06.Desired
	}
	return l
}
