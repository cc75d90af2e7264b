package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/branches"
	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

// branchesOptions are the flags of `branches`.
type branchesOptions struct {
	from                 string
	dryRun, check, force bool
}

func (a *app) branches() *cobra.Command {
	var options branchesOptions
	cmd := &cobra.Command{
		Use:   "branches",
		Short: "Build the git branches that start a lab or show it solved",
		Long: `Build two local git branches for every lab:

  start/NN-name      main, with the learner's files of all labs below NN solved
  solution/NN-name   the same, with lab NN solved too

They are built from the commit that you are on. Your files and the index stay
unchanged. One commit gives the same branch ids on every machine. A branch that is
checked out, or that has commits of its own, is kept unchanged.

Exit codes: 0 all branches are correct, 1 some are not, 3 this is no git repository.`,
		Example: `  go tool workshop branches
  go tool workshop branches --dry-run            only show what it would do
  go tool workshop branches --check              prove that those that are there are right
  go tool workshop branches --from origin/main   build from another commit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runBranches(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&options.from, "from", "", "the `COMMIT` to build from (default: HEAD, or the commit of main that HEAD's branch was built from)")
	cmd.Flags().BoolVarP(&options.dryRun, "dry-run", "n", false, "print the plan and move no branch")
	cmd.Flags().BoolVar(&options.check, "check", false, "compare every file of the local branches with the plan, and move no branch")
	cmd.Flags().BoolVar(&options.force, "force", false, "replace branches that are checked out or have commits of their own too")
	return cmd
}

func (a *app) runBranches(ctx context.Context, options branchesOptions) error {
	if options.check && (options.force || options.dryRun) {
		return usagef("--check moves no branch; leave --force and --dry-run out")
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	repository, err := a.repository(ctx, w)
	if err != nil {
		return err
	}
	source, err := repository.Source(ctx, options.from)
	if errors.Is(err, branches.ErrNoCommit) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	plan, err := repository.Plan(ctx, source)
	switch {
	case err != nil:
		return fmt.Errorf("plan the branches: %w", err)
	case options.check:
		return a.checkBranches(ctx, repository, plan)
	case options.dryRun:
		a.renderBranches(plan, options.force)
		a.next("go tool workshop branches   builds them")
		return nil
	}
	err = repository.Build(ctx, plan, options.force)
	var left *branches.KeptError
	if err != nil && !errors.As(err, &left) {
		return fmt.Errorf("build the branches: %w", err)
	}
	a.renderBranches(plan, options.force)
	if left != nil {
		a.notef("\n%s %s\n", a.styles(a.err).Bad.Render("Error:"), strings.ReplaceAll(left.Error(), "\n", "\n       "))
		a.nextOn(a.err,
			fmt.Sprintf("git branch -m %s mine   keeps that work under another name", left.Branches[0].Name),
			"go tool workshop branches   then builds the missing branches",
			"go tool workshop branches --force   replaces it and drops that work",
		)
		return exitError{lab.NotYet.ExitCode()}
	}
	a.next(fmt.Sprintf("git switch -c mine %s   to work from there on a branch of your own", plan[0].Name))
	return nil
}

func (a *app) checkBranches(ctx context.Context, repository *branches.Repository, plan []branches.Branch) error {
	wrong, err := repository.Check(ctx, plan)
	if err != nil {
		return fmt.Errorf("check the branches: %w", err)
	}
	if len(wrong) == 0 {
		a.printf("All %d branches match commit %s, file by file.\n", len(plan), branches.Short(plan[0].Source))
		a.next("git switch " + plan[len(plan)-1].Name)
		return nil
	}
	a.printf("%d of %d branches differ from commit %s:\n", len(wrong), len(plan), branches.Short(plan[0].Source))
	for _, d := range wrong {
		a.printf("  %s: %s\n", d.Branch.Name, d.Detail)
	}
	a.next("go tool workshop branches   builds them again")
	return exitError{lab.NotYet.ExitCode()}
}

// renderBranches prints the state of each branch in the plan.
func (a *app) renderBranches(plan []branches.Branch, force bool) {
	s := a.styles(a.out)
	var rows [][]string
	for _, b := range plan {
		state := string(b.State())
		switch b.State() {
		case branches.Unchanged:
			state = s.Faint.Render(state)
		case branches.Kept:
			if force {
				state = s.Doubt.Render("forced") + ", " + b.Kept
			} else {
				state = s.Bad.Render(state) + ", " + b.Kept
			}
		default:
			state = s.Good.Render(state)
		}
		rows = append(rows, []string{b.Name, branches.Short(b.Commit), solvedLabs(b), state})
	}
	a.printf("From commit %s:\n%s", branches.Short(plan[0].Source), report.Table([]string{"branch", "commit", "labs solved", "state"}, rows, s.Faint, nil))
}

// solvedLabs returns the numbers of the labs that are solved in a branch.
func solvedLabs(b branches.Branch) string {
	if len(b.Solved) == 0 {
		return "none"
	}
	numbers := make([]string, 0, len(b.Solved))
	for _, folder := range b.Solved {
		number, _, _ := strings.Cut(folder, "-")
		numbers = append(numbers, number)
	}
	return strings.Join(numbers, ", ")
}
