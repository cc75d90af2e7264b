package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/images"
)

// The servers that profile sharding adds to docker-compose.yml, by their names there.
const (
	shardingProfile = "sharding"
	// userDataServer has everybody's data before the move.
	userDataServer = "userdata"
	// moverService moves it to the shards, and ends.
	moverService = "mover"
	shards       = 4
	// warmTimeout is how long a mover waits for servers to get warm.
	warmTimeout = 15 * time.Second
)

// shardServers returns the names of the shards, in their order.
func shardServers() []string {
	names := make([]string, shards)
	for i := range names {
		names[i] = fmt.Sprintf("shard-%d", i+1)
	}
	return names
}

// shardURLs returns the addresses of the shards within the stack, with commas between them.
func shardURLs(password string) string {
	urls := make([]string, 0, shards)
	for _, name := range shardServers() {
		urls = append(urls, fmt.Sprintf("postgres://%s:%s@%s:5432/%s?sslmode=disable",
			images.DatasetUser, password, name, images.DatasetDatabase))
	}
	return strings.Join(urls, ",")
}

// move runs the mover where the user sees what it says, and reports whether it came to where
// it was to go. It ends at once when it is there already. Meanwhile somebody reads their own
// pages at the storefront's URL: a mover does not go on before enough has been read from
// both sides. Fresh servers get warm first.
func (c *compose) move(ctx context.Context, p *progress.Reporter, profiles []string, url string, fresh bool) (moved bool, err error) {
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	var seen visited
	var unseen error
	var visitor sync.WaitGroup
	warm := make(chan struct{})
	visitor.Go(func() { seen, unseen = visit(visiting, url, func() { close(warm) }) })
	p.Note("move user data, while %s reads what is theirs", seed.Email(1))
	if fresh {
		err = c.countAnew(ctx, profiles, warm)
	}
	if err == nil {
		err = c.run(ctx, profiles, "run", "--rm", "-T", moverService)
	}
	leave()
	visitor.Wait()
	switch {
	case unseen != nil:
		p.Note("nobody could read meanwhile: %v", unseen)
	case seen != (visited{}):
		p.Note("%d pages were read meanwhile, and %d could not be", seen.read, seen.failed)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return false, nil // the mover has said why
	}
	return err == nil, err
}

// countAnew has the server of before forget how it was seeded, once it is warm: the mover's
// pre-flight would take that for what the server does all day.
func (c *compose) countAnew(ctx context.Context, profiles []string, warm <-chan struct{}) error {
	select {
	case <-warm:
	case <-time.After(warmTimeout): // nobody can read: the mover goes on without, or says why not
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	words := append([]string{"exec", "-T", userDataServer}, shells()[userDataServer].program...)
	return c.run(ctx, profiles, append(words, "-q", "-o", "/dev/null", "-c", "SELECT pg_stat_reset()")...)
}

// moveByHand is how to run the mover again.
func (c *compose) moveByHand() string {
	return fmt.Sprintf("%s --profile %s run --rm %s", c, shardingProfile, moverService)
}
