package stack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// The services that profile sharding adds to docker-compose.yml.
const (
	// userDataServer holds the user data before the move.
	userDataServer = "userdata"
	// moverService moves the user data to the shards, and then ends.
	moverService = "mover"
	shards       = 4
	// warmTimeout bounds the wait for cold servers before the mover starts.
	warmTimeout = 15 * time.Second
)

// shardServers returns the services of the shards, in their order.
func shardServers() []string {
	names := make([]string, shards)
	for i := range names {
		names[i] = fmt.Sprintf("shard-%d", i+1)
	}
	return names
}

// shardURLs returns the addresses of the shards inside the stack, separated by commas.
func shardURLs(password string) string {
	urls := make([]string, 0, shards)
	for _, name := range shardServers() {
		urls = append(urls, fmt.Sprintf("postgres://%s:%s@%s:5432/%s?sslmode=disable",
			images.DatasetUser, password, name, images.DatasetDatabase))
	}
	return strings.Join(urls, ",")
}

// move runs the mover and shows its output to the user. It reports whether the mover reached its
// target; the mover ends at once when it is there already. Meanwhile a visitor reads pages at the
// storefront's URL, because the mover waits until enough pages have been read from both sides.
// When the servers are fresh, the visitor warms them before the mover starts.
func (c *compose) move(ctx context.Context, profiles []string, url string, fresh bool) (moved bool, err error) {
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	var read visited
	var refused error
	var visitor sync.WaitGroup
	warm := make(chan struct{})
	visitor.Go(func() { read, refused = visit(visiting, url, func() { close(warm) }) })
	p := c.stack.Progress
	p.Note("move user data to the shards, while %s reads pages", seed.Email(1))
	if fresh {
		err = c.resetStatistics(ctx, profiles, warm)
	}
	if err == nil {
		err = c.run(ctx, profiles, "run", "--rm", "-T", moverService)
	}
	leave()
	visitor.Wait()
	switch {
	case refused != nil:
		p.Note("no page was read during the move: %v", refused)
	case read != (visited{}):
		p.Note("%d pages read during the move, %d failed", read.ok, read.failed)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return false, nil // the mover has printed the reason
	}
	return err == nil, err
}

// resetStatistics waits until the servers are warm, and then resets the statistics of the server
// before the move. Otherwise the mover's pre-flight check would take the load of seeding for the
// server's daily load.
func (c *compose) resetStatistics(ctx context.Context, profiles []string, warm <-chan struct{}) error {
	select {
	case <-warm:
	case <-time.After(warmTimeout): // no page can be read: the mover starts all the same, or prints why not
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	words := append([]string{"exec", "-T", userDataServer}, clients()[userDataServer].program...)
	return c.run(ctx, profiles, append(words, "-q", "-o", "/dev/null", "-c", "SELECT pg_stat_reset()")...)
}

// moveByHand returns the command that runs the mover again.
func (c *compose) moveByHand() string {
	return fmt.Sprintf("%s --profile %s run --rm %s", c, shardingProfile, moverService)
}
