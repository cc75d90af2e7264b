package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"bytebites.example/workshop/shared/workshop/cli/report"
)

// ui has the streams of a verb: results go to out, progress and errors to err.
type ui struct {
	in       io.Reader
	out, err io.Writer
	color    *bool // shared with the flag
	yes      *bool
	getenv   func(string) string
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// styles returns the styles for output on w: colours on a terminal, unless the user or
// NO_COLOR turns them off.
func (u *ui) styles(w io.Writer) report.Styles {
	return report.NewStyles(w, *u.color && u.getenv("NO_COLOR") == "" && isTerminal(w))
}

// sheet returns the sheet for reports on w.
func (u *ui) sheet(w io.Writer) report.Sheet { return report.NewSheet(w, u.styles(w), u.getenv) }

// printf writes to the results. A reader that has closed the stream (`| head`) is no error of
// the verb, because the verb has done its work by then.
func (u *ui) printf(format string, args ...any) { _, _ = fmt.Fprintf(u.out, format, args...) }

// notef writes to the progress stream.
func (u *ui) notef(format string, args ...any) { _, _ = fmt.Fprintf(u.err, format, args...) }

// next prints the next steps. Every verb ends with it.
func (u *ui) next(steps ...string) { u.nextOn(u.out, steps...) }

func (u *ui) nextOn(w io.Writer, steps ...string) {
	s := u.styles(w)
	_, _ = fmt.Fprintf(w, "\n%s %s\n", s.Bold.Render("Next:"), steps[0])
	for _, step := range steps[1:] {
		_, _ = fmt.Fprintf(w, "      %s\n", step)
	}
}

// ask asks a yes-or-no question. --yes answers yes. If the input is not a terminal, the answer
// is no.
func (u *ui) ask(question string) bool {
	if *u.yes {
		u.notef("%s yes (--yes or CI=true)\n", question)
		return true
	}
	if !isTerminal(u.in) {
		u.notef("%s no (the input is not a terminal; --yes answers yes)\n", question)
		return false
	}
	u.notef("%s [y/N] ", question)
	answer, err := bufio.NewReader(u.in).ReadString('\n')
	if err != nil {
		return false
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
