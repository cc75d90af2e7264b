package spec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// envDraw names the subject whose router a child process calls: see answerAndExit.
	envDraw = "WORKSHOP_04_DRAW"
	// children is how many processes draw ids at once. They take well under a second to start, so at
	// least two of them start within one second of the clock.
	children = 4
	// drawnEach is how many order ids each draws, for two subscribers by turns.
	drawnEach = 200
	// askedEach is how many subscribers' buckets each tells.
	askedEach = 200
)

// drawn is what a child process tells of its router.
type drawn struct {
	IDs     []bytebites.OrderID
	Buckets []shard.Bucket
	Plan    shard.Assignment
}

// answerAndExit answers the parent, in a child process that was started for this subject, and ends
// the process. Otherwise it returns at once. Lab calls it, so a child only has to reach the
// construction of the lab.
func answerAndExit(subject Subject) {
	if name, asked := os.LookupEnv(envDraw); !asked || name != subject.Name {
		return
	}
	var d drawn
	for n := range drawnEach {
		d.IDs = append(d.IDs, subject.Router.NewOrderID(seed.User(1+n%2)))
	}
	for n := range askedEach {
		d.Buckets = append(d.Buckets, subject.Router.Bucket(seed.User(1+n)))
	}
	d.Plan = subject.Router.Plan(shard.Assignment{}, serversUpTo(shards))
	if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// processes asks the routers of several processes that start at the same time.
func (l *trial) processes(ctx context.Context, _ *lab.Run) error {
	all := make([]drawn, children)
	starting, ctx := errgroup.WithContext(ctx)
	for i := range all {
		starting.Go(func() (err error) {
			all[i], err = l.child(ctx)
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	seen := make(map[bytebites.OrderID]bool)
	for _, d := range all {
		for _, id := range d.IDs {
			if seen[id] {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d different ids from %d processes that start at the same moment", children*drawnEach, children), Seen: fmt.Sprintf("%s twice", id),
					Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "what do two processes have in common that start in one second?"},
				}
			}
			seen[id] = true
		}
		if !slices.Equal(d.Buckets, all[0].Buckets) {
			return &lab.Failure{
				Expected: "each subscriber in the same bucket in every process", Seen: "different buckets in two processes",
				Look: lab.Look{File: "router.go", Func: "router.Bucket", Hint: "a seed that a process draws at its start is another one in every process"},
			}
		}
		if d.Plan != all[0].Plan {
			return &lab.Failure{
				Expected: "the same plan in every process", Seen: "different plans in two processes",
				Look: lab.Look{File: "router.go", Func: "router.Plan", Hint: "a mover that was killed plans again, and must get the same plan"},
			}
		}
	}
	return nil
}

// child runs this test binary again. It builds the same lab, and answers instead of running it.
func (l *trial) child(ctx context.Context) (d drawn, err error) {
	program, err := os.Executable()
	if err != nil {
		return d, fmt.Errorf("find this program: %w", err)
	}
	test := "TestLab" // of the code under test
	if l.subject.Name != "" {
		test = "TestAnswers"
	}
	command := exec.CommandContext(ctx, program, "-test.run=^"+test+"$", "-test.count=1")
	command.Env = append(os.Environ(), envDraw+"="+l.subject.Name)
	output, err := command.Output()
	if err != nil {
		var failed *exec.ExitError
		said := ""
		if errors.As(err, &failed) {
			said = string(failed.Stderr)
		}
		return d, &lab.Failure{
			Expected: "a process that draws ids", Seen: fmt.Sprintf("%v: %.400s", err, said),
			Look: lab.Look{File: "router.go", Func: "router.NewOrderID", Hint: "does it panic?"},
		}
	}
	if err := json.Unmarshal(output, &d); err != nil {
		return d, fmt.Errorf("read the ids of a process: %w: %.200s", err, output)
	}
	return d, nil
}
