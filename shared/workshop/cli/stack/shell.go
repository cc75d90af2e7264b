package stack

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"bytebites.example/workshop/shared/testbed/images"
)

// shellClient is the program that Shell opens in a server of the stack.
type shellClient struct {
	program []string
	profile string // a profile that starts the server; empty when every one does
}

// clients returns the clients by the names of their servers in docker-compose.yml.
func clients() map[string]shellClient {
	psql := []string{"psql", "-U", images.DatasetUser, "-d", images.DatasetDatabase}
	all := map[string]shellClient{
		"postgres":     {program: psql},
		"redis":        {program: []string{"redis-cli"}, profile: cacheProfile},
		"rabbitmq":     {program: []string{"rabbitmqctl"}, profile: queueProfile},
		userDataServer: {program: psql, profile: shardingProfile},
	}
	for _, name := range shardServers() {
		all[name] = shellClient{program: psql, profile: shardingProfile}
	}
	return all
}

// Servers returns the names of the servers that Shell knows.
func Servers() []string { return slices.Sorted(maps.Keys(clients())) }

// NeedServer returns a *UsageError unless the first word names a server that Shell knows.
func NeedServer(words []string) error {
	if len(words) == 0 || clients()[words[0]].program == nil {
		return usagef("shell needs the name of a server: postgres, redis, rabbitmq, %s or shard-1 to shard-%d", userDataServer, shards)
	}
	return nil
}

// Shell opens the client of a server and passes the words on to it. The error wraps an
// *exec.ExitError when the client ran and failed.
func (s *Stack) Shell(ctx context.Context, server string, words ...string) error {
	e, file, err := s.existing(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	running, err := s.running(ctx, e, file)
	if err != nil {
		return err
	}
	opened := clients()[server]
	if !slices.Contains(running, server) {
		return unavailable(server+" is not running", strings.TrimSpace("run: go tool workshop up "+opened.profile))
	}
	c, err := s.composeFor(ctx, e, file)
	if err != nil {
		return err
	}
	command := []string{"exec"}
	if !isTerminal(s.Stdin) || !isTerminal(s.Stdout) {
		command = append(command, "-T")
	}
	return c.attach(ctx, everyProfile(c.stack.Course), slices.Concat(command, []string{server}, opened.program, words)...)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
