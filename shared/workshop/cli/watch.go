package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/lab"
)

// watchInterval is the pause between two looks at the files. A save counts when two looks in a row see the same, because
// an editor may write a file in several steps.
const watchInterval = 150 * time.Millisecond

// watchOptions are the flags of watch.
type watchOptions struct {
	step    int // 0 is the first step that has not passed
	servers bool
}

func (a *app) watch() *cobra.Command {
	var options watchOptions
	cmd := &cobra.Command{
		Use:   "watch NN",
		Short: "Check the step that you work on at each save",
		Long: `Check the step that you work on, and again each time you save a file of the lab.
A save runs the checks that need no server. When these pass, press Enter to run the
step's checks on servers too. When the step has passed, the next one follows. Ctrl-C
ends it.

After the last step it ends. Run "check NN" then, for the whole lab and its gain.`,
		Example: `  go tool workshop watch 03            from the first step that has not passed
  go tool workshop watch 03 --step 2   from step 2
  go tool workshop watch 03 --servers  the checks on servers too, without Enter`,
		Args: exactly(1, "the lab's number, such as 00"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runWatch(cmd.Context(), args[0], options)
		},
	}
	cmd.Flags().Var((*stepFlag)(&options.step), "step", "begin with this step of the lesson")
	cmd.Flags().BoolVar(&options.servers, "servers", false, "run the checks on servers as soon as the others pass")
	return cmd
}

func (a *app) runWatch(ctx context.Context, name string, options watchOptions) error {
	w, l, err := a.lab(name)
	if err != nil {
		return err
	}
	step := options.step
	switch {
	case step > len(l.Steps):
		return usagef("lab %s: no step %d; it has %d", l.ID(), step, len(l.Steps))
	case step == 0:
		step = w.openStep(l, 0)
	}
	v := watcher{app: a, workshop: w, lab: l, servers: options.servers, typing: &typing{input: bufio.NewReader(a.in)}}
	for step != 0 {
		if err := v.pass(ctx, step); err != nil {
			return err
		}
		passed := step
		if step = w.openStep(l, step); step == passed {
			return unavailable("the progress in lab "+l.ID()+" is not kept; the line above says why", "make .workshop writable, then: go tool workshop watch "+l.ID())
		}
	}
	a.printf("\nAll steps of lab %s have passed.\n", l.ID())
	a.next("go tool workshop check " + l.ID() + "   (all checks, and the gain)")
	return nil
}

// typing reads what the user types, line by line and only when asked, because a question of the command reads the same
// input.
type typing struct {
	input *bufio.Reader
	next  chan error // of the read that goes on; nil without one
	ended bool
}

// line returns a channel that gets nil when the user has typed a line, and an error at the end of the input. A
// read that goes on since an earlier call is not begun again. The channel is nil after the end.
func (t *typing) line() <-chan error {
	if t.next == nil && !t.ended {
		next := make(chan error, 1)
		t.next = next
		go func() { // until a line comes or the input ends
			_, err := t.input.ReadString('\n')
			next <- err
		}()
	}
	return t.next
}

// took ends the read that line began, with what the channel gave.
func (t *typing) took(err error) { t.next, t.ended = nil, err != nil }

// watcher checks the steps of a lab as their files are saved.
type watcher struct {
	*app
	workshop workshop
	lab      folder
	servers  bool
	typing   *typing
}

// pass checks a step at each save until it has passed. The error says why the code could not be checked.
func (v watcher) pass(ctx context.Context, step int) error {
	name := v.lab.Steps[step-1]
	v.printf("\n%s\n%s\n", v.styles(v.out).Bold.Render(fmt.Sprintf("Lab %s, step %d of %d: %s", v.lab.ID(), step, len(v.lab.Steps), name.Name)),
		"Change "+strings.Join(name.Places, ", ")+"; the lesson is "+v.lab.Dir()+"/README.md.")
	withServers := v.servers
	for {
		before, err := v.saved()
		if err != nil {
			return err
		}
		result, left, err := v.check(ctx, lab.Selection{Step: step, Serverless: true})
		if err != nil {
			return err
		}
		quick := result.Verdict == lab.Pass
		if quick && left == 0 {
			return nil
		}
		if quick && withServers {
			if result, _, err = v.check(ctx, lab.Selection{Step: step}); err != nil {
				return err
			}
			if result.Verdict == lab.Pass {
				return nil
			}
		}
		v.waits(step, quick, left)
		typed, err := v.await(ctx, before, quick)
		if err != nil {
			return err
		}
		withServers = typed || v.servers
	}
}

// check runs a selection of a step's checks and shows the result. It returns how many checks of the step, all on servers,
// the selection leaves out. It keeps the progress: a step with such checks has not passed.
func (v watcher) check(ctx context.Context, selection lab.Selection) (result lab.Result, left int, err error) {
	from := v.origin(ctx, v.workshop)
	done, err := v.checkFolder(ctx, v.workshop, v.lab, v.lab.Dir(), checkOptions{selection: selection})
	if ctx.Err() != nil {
		return result, 0, context.Cause(ctx)
	}
	var missing *lab.SelectionError
	if errors.As(err, &missing) {
		return result, 0, usagef("lab %s: %s", v.lab.ID(), missing.Problem)
	}
	if err != nil {
		return result, 0, err
	}
	result = done.result
	if len(result.Checks) > 0 {
		v.printf("\n%s", v.sheet(v.out).Report(titleOf(v.lab, yours)+partOf(result), "", result))
	}
	if selection.Serverless {
		for _, entry := range done.listing {
			if entry.OfStep(selection.Step) && !entry.Serverless() {
				left++
			}
		}
	}
	if result.Step != 0 && (left == 0 || result.Verdict != lab.Pass) {
		v.keepSteps(v.workshop, v.lab, result, from.Made)
	}
	return result, left, nil
}

// waits says what the command waits for: a save, and perhaps a line that asks for the checks on servers.
func (v watcher) waits(step int, asks bool, left int) {
	save := "save a file of " + v.lab.Dir() + " to check again, or press Ctrl-C to end"
	if asks {
		v.next(fmt.Sprintf("press Enter to run the checks of step %d on servers too (%d of them)", step, left), save)
		return
	}
	v.next(save, "go tool workshop hint "+v.lab.ID()+"   (in another terminal)")
}

// await waits until the lab's files differ from before, or until a line is typed, if one is asked for. It reports
// which.
func (v watcher) await(ctx context.Context, before snapshot, asked bool) (typed bool, err error) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for last := before; ; {
		var line <-chan error
		if asked {
			line = v.typing.line()
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case err := <-line:
			if v.typing.took(err); err == nil {
				return true, nil
			}
			v.notef("The input has ended, so Enter cannot be pressed; --servers runs the checks on servers without it.\n")
		case <-tick.C:
			now, err := v.saved()
			if err != nil {
				return false, err
			}
			if maps.Equal(now, last) && !maps.Equal(now, before) {
				return false, nil
			}
			last = now
		}
	}
}

// snapshot is the content of files by their names, as hashes.
type snapshot map[string][sha256.Size]byte

// saved returns the content of the files that the learner may edit, and of all Go files beside them. A file that an
// editor is just replacing is left out.
func (v watcher) saved() (snapshot, error) {
	dir := v.workshop.path(filepath.FromSlash(v.lab.Dir()))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for saved files: %w", err)
	}
	names := v.lab.Editable()
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".go") && !slices.Contains(names, entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	now := make(snapshot, len(names))
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for saved files: %w", err)
		}
		now[name] = sha256.Sum256(text)
	}
	return now, nil
}
