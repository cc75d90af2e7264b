package stack

import (
	"context"
	"fmt"
	"slices"

	"bytebites.example/workshop/shared/bytebites/seed"
)

// Options say what Up starts.
type Options struct {
	Profiles []string // none: the one that fits the lab
	Size     string   // of the seeded database: full or small
	Lab      *Lab     // nil: the solutions' code
}

func sizeByName(name string) (seed.Size, error) {
	switch name {
	case "full":
		return seed.Full(), nil
	case "small":
		return seed.Small(), nil
	}
	return seed.Size{}, usagef("no size %q; there are: full, small", name)
}

// Up makes the images, writes .env, starts the services of the profiles, waits until they are
// ready, and moves user data where there are shards. A wrong option is a *UsageError. A move that
// the mover gives up is no error: the stack is up, and Description.UnfinishedMove continues it.
func (s *Stack) Up(ctx context.Context, o Options) (Description, error) {
	size, err := sizeByName(o.Size)
	if err != nil {
		return Description{}, err
	}
	profiles, code, err := s.chooseCode(o.Profiles, o.Lab)
	if err != nil {
		return Description{}, err
	}
	chosen := namesOf(profiles)
	e, err := s.Connect(ctx)
	if err != nil {
		return Description{}, err
	}
	defer func() { _ = e.Close() }()
	file, err := s.readEnv()
	if err != nil {
		return Description{}, err
	}
	if err := s.ours(ctx, e, file); err != nil { // before minutes of work
		return Description{}, err
	}
	if err := file.writable(); err != nil {
		return Description{}, err
	}
	if err := s.noteOverridden(file); err != nil {
		return Description{}, err
	}
	refs, err := s.makeImages(ctx, e, code.service, size, chosen)
	if err != nil {
		return Description{}, err
	}
	c, err := s.findCompose(ctx, file, engineFor(e.Host())...)
	if err != nil {
		return Description{}, err
	}
	running, err := s.running(ctx, e, file)
	if err != nil {
		return Description{}, err
	}
	if slices.Contains(chosen, queueProfile) && !code.sharded && slices.Contains(running, userDataServer) {
		return Description{}, unavailable("the running stack keeps its user data on shards, which the replicas of profile queue alone do not read",
			"keep the shards with: go tool workshop up sharding queue; or start afresh after: go tool workshop down")
	}
	access, err := findSocket(ctx, e)
	if err != nil {
		return Description{}, err
	}
	file, err = s.writeEnv(refs, code, access)
	if err != nil {
		return Description{}, err
	}
	if err := s.readableByServers(code); err != nil {
		return Description{}, err
	}
	if err := s.portsFree(ctx, file, chosen, running); err != nil {
		return Description{}, err
	}
	if err := c.start(ctx, chosen, running); err != nil {
		return Description{}, err
	}
	for _, door := range frontDoors(s.Course) {
		if !anyOf(door.profiles, chosen) {
			continue
		}
		if err := s.awaitReady(ctx, e, file, door.service, s.address(file, door.variable)); err != nil {
			return Description{}, fmt.Errorf("%w; its log: %s --profile %s logs %s", err, c, chosen[0], door.service)
		}
	}
	described := s.describe(file, chosen)
	if slices.Contains(chosen, shardingProfile) {
		moved, err := c.move(ctx, chosen, s.address(file, "BALANCER_PORT"), !slices.Contains(running, userDataServer))
		if err != nil {
			return Description{}, err
		}
		if !moved {
			described.UnfinishedMove = c.moveByHand()
		}
	}
	return described, nil
}

// noteOverridden shows the variables of the shell that have no effect, because a user who starts
// compose by hand with them would get another stack.
func (s *Stack) noteOverridden(file *envFile) error {
	names, err := s.overridden(file)
	for _, name := range names {
		s.Progress.Note("%s of the shell is ignored; .env counts", name)
	}
	return err
}

// start starts the services of the profiles, all but the mover: Up runs it later, where the user
// sees its output.
func (c *compose) start(ctx context.Context, chosen, running []string) error {
	words := []string{"up", "-d", "--remove-orphans"}
	if slices.Contains(chosen, shardingProfile) {
		words = append(words, "--scale", moverService+"=0")
	}
	if err := c.run(ctx, chosen, words...); err != nil {
		return err
	}
	return c.recreate(ctx, chosen, running)
}

// recreate restarts nginx and Redis if they ran before. Both read their files only when they
// start, and nginx also the replicas' addresses, which change when compose starts the replicas
// anew. Compose leaves both running as long as docker-compose.yml is unchanged.
func (c *compose) recreate(ctx context.Context, chosen, running []string) error {
	var stale []string
	for _, server := range c.stack.Course.Servers() {
		if server.Renew && anyOf(server.Profiles, chosen) && slices.Contains(running, server.Service) {
			stale = append(stale, server.Service)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return c.run(ctx, chosen, append([]string{"up", "-d", "--no-deps", "--force-recreate"}, stale...)...)
}
