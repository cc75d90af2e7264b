package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

// mineTag is the build tag of the test that runs a lab on the learner's own labs.
const mineTag = "mine"

// below is a lab that another one runs on.
type below struct {
	folder
	own bool   // the learner's code runs, and not the solution
	why string // the reason, for the learner
}

// mineRefused returns the usage error of `check --mine`, or nil.
func mineRefused(l folder, options checkOptions) error {
	switch {
	case !options.mine:
		return nil
	case !l.Together:
		return usagef("lab %s: --mine is for the lab that puts all labs together: check 07 --mine", l.ID())
	case options.solution:
		return usagef("lab %s: give --mine or --solution, not both", l.ID())
	}
	return nil
}

// labsBelow says of each lab below l whether the learner's code or the solution runs. It is the
// learner's when the last run of `check` on it passed.
func (w workshop) labsBelow(l folder) ([]below, error) {
	labs, err := w.labs()
	if err != nil {
		return nil, err
	}
	var all []below
	for _, other := range labs {
		if other.Number >= l.Number {
			continue
		}
		b := below{folder: other}
		switch k, ok, problem := w.readKept(other, yours); {
		case problem != nil:
			b.why = "the result of the last check cannot be read"
		case !ok:
			b.why = "no check of the whole lab yet"
		case k.Verdict == lab.Pass:
			b.own, b.why = true, "check passed "+k.Made.UTC().Format("2006-01-02 15:04 UTC")
			if w.editedSince(other, k.Made) {
				b.why += ", and the code was edited since"
			}
		default:
			b.why = "the last check said: " + string(k.Verdict)
		}
		all = append(all, b)
	}
	return all, nil
}

// editedSince reports whether one of the learner's files is newer than that time.
func (w workshop) editedSince(l folder, made time.Time) bool {
	for _, file := range l.Editable() {
		info, err := os.Stat(w.path("labs", l.Name, file))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(made) {
			return true
		}
	}
	return false
}

// ownLabs returns the numbers of the labs that are the learner's own, as lab.EnvMine carries them.
func ownLabs(labs []below) string {
	var own []string
	for _, b := range labs {
		if b.own {
			own = append(own, b.ID())
		}
	}
	return strings.Join(own, ",")
}

// groundOf returns whose code the labs below are, for the kept result.
func groundOf(labs []below) *ground {
	g := ground{Yours: []string{}, Solutions: []string{}}
	for _, b := range labs {
		if b.own {
			g.Yours = append(g.Yours, b.ID())
		} else {
			g.Solutions = append(g.Solutions, b.ID())
		}
	}
	return &g
}

// mineTable lists the labs that the run is on.
func (a *app) mineTable(labs []below) string {
	s := a.styles(a.out)
	rows := make([][]string, 0, len(labs))
	for _, b := range labs {
		code := s.Faint.Render("solution")
		if b.own {
			code = s.Good.Render("yours")
		}
		rows = append(rows, []string{b.ID() + " " + b.Title, code, b.why})
	}
	return report.Table([]string{"lab", "code", "why"}, rows, s.Faint, nil)
}

// showMine prints the labs that the run is on: in front of the result, or beside its JSON.
func (a *app) showMine(labs []below, options checkOptions) {
	show := a.printf
	if options.asJSON {
		show = a.notef
	}
	show("%s\n", a.mineTable(labs))
	if ownLabs(labs) == "" {
		show("None of your labs has passed yet, so the rush runs on solutions.\n\n")
	}
}

// notCompilingBelow returns the verdict when the compiler's message is about one of the labs below, and
// false when it is not.
func notCompilingBelow(l folder, labs []below, compile *compileError) (lab.Result, bool) {
	for _, b := range labs {
		if !compile.in(b.Dir()) {
			continue
		}
		result := notCompiling(l, compile)
		result.Checks[0].Detail = fmt.Sprintf("lab %s does not compile:\n%s", b.Name, compile.output)
		result.Next = fmt.Sprintf("mend %s, or put its starter back: go tool workshop reset %s; then: go tool workshop check %s --mine", b.Dir(), b.ID(), l.ID())
		return result, true
	}
	return lab.Result{}, false
}
