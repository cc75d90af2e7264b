package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

// secrets are the variables of docker-compose.yml without which it does not start.
func secrets() []string {
	return []string{"POSTGRES_PASSWORD", "STAFF_TOKEN", "PAYMENT_SECRET", "BROKER_PASSWORD"}
}

// readyTimeout is how long the service may take to answer after compose has started it.
const readyTimeout = 2 * time.Minute

func (a *app) up() *cobra.Command {
	var size, labName string
	cmd := &cobra.Command{
		Use:   "up [PROFILE...]",
		Short: "Start ByteBites, to click through",
		Long: `Build the images, write .env (names of images, random secrets, kept when they are
there) and start the stack of docker-compose.yml with docker compose or
docker-compose, whichever is there. Profiles:

` + describeProfiles() + `
Everything is published on the loopback address only.`,
		Example: `  go tool workshop up                      the baseline
  go tool workshop up monitoring           the baseline, watched by Prometheus
  go tool workshop up --lab 00             the same with your code of lab 00
  go tool workshop up horizontal           three replicas behind nginx
  go tool workshop up horizontal --lab 02  the same with your code and nginx.conf
  go tool workshop up cache monitoring     the replicas with Redis, watched by Prometheus
  go tool workshop up sharding             user data moves to four shards as you watch
  go tool workshop up queue monitoring     orders that wait for nobody; RabbitMQ, a relay and a worker
  go tool workshop up --size small         a small database, ready sooner`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runUp(cmd.Context(), args, size, labName)
		},
	}
	cmd.Flags().StringVar(&size, "size", "full", "size of the database: full (a million orders) or small")
	cmd.Flags().StringVar(&labName, "lab", "", "run the service of this lab, with your code; without a PROFILE in the one that shows it best")
	return cmd
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

func (a *app) runUp(ctx context.Context, names []string, sizeName, labName string) error {
	size, err := sizeByName(sizeName)
	if err != nil {
		return err
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	profiles, from, err := w.stackCode(names, labName)
	if err != nil {
		return err
	}
	chosen := namesOf(profiles)
	p := a.progress()
	built, host, err := a.stackImages(ctx, p, from.service, size, chosen)
	if err != nil {
		return err
	}
	c, err := a.findCompose(ctx, w, engineFor(host)...)
	if err != nil {
		return err
	}
	running, err := c.running(ctx, everyProfile())
	if err != nil {
		return err
	}
	if slices.Contains(chosen, queueProfile) && !from.sharded && slices.Contains(running, userDataServer) {
		return unavailable("this stack's user data is on shards, and the replicas of profile queue alone would not ask them",
			"keep them with go tool workshop up sharding queue, or begin anew with go tool workshop down")
	}
	file, err := a.writeEnv(w, built, from)
	if err != nil {
		return err
	}
	if err := a.portsFree(ctx, file, chosen, running); err != nil {
		return err
	}
	words := []string{"up", "-d", "--remove-orphans"}
	sharding := slices.Contains(chosen, shardingProfile)
	if sharding {
		words = append(words, "--scale", moverService+"=0") // it runs below, in sight of the user
	}
	if err := c.run(ctx, chosen, words...); err != nil {
		return err
	}
	if err := c.renew(ctx, chosen, running); err != nil {
		return err
	}
	for _, door := range frontDoors() {
		if !anyOf(door.profiles, chosen) {
			continue
		}
		if err := c.awaitReady(ctx, p, door.service, a.address(file, door.variable)); err != nil {
			return fmt.Errorf("%w; what it said: %s --profile %s logs %s", err, c, chosen[0], door.service)
		}
	}
	moved := true
	if sharding {
		if moved, err = c.move(ctx, p, chosen, a.address(file, "BALANCER_PORT"), !slices.Contains(running, userDataServer)); err != nil {
			return err
		}
	}
	a.describeStack(file, chosen)
	if !moved {
		a.printf("\nThe stack is up, and the mover has not come to where it was to go. Why, it has said above; it goes on with\n  %s\n",
			c.moveByHand())
		return verdictError{lab.NotYet}
	}
	return nil
}

// renew starts servers anew that read what is not in docker-compose.yml when they start, and
// never again: nginx.conf, and the replicas' addresses, which are others when those were
// started anew; redis.conf. Compose leaves them running when its own file has not changed.
func (c *compose) renew(ctx context.Context, chosen, running []string) error {
	var stale []string
	for _, s := range []struct {
		service  string
		profiles []string
	}{{"nginx", replicaProfiles()}, {"redis", cacheProfiles()}} {
		if anyOf(s.profiles, chosen) && slices.Contains(running, s.service) {
			stale = append(stale, s.service)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return c.run(ctx, chosen, append([]string{"up", "-d", "--no-deps", "--force-recreate"}, stale...)...)
}

// frontDoor is where a storefront is.
type frontDoor struct {
	profiles                []string // with any of which it comes
	service, what, variable string
}

func frontDoors() []frontDoor {
	return []frontDoor{
		{[]string{"baseline"}, "service", "storefront", "SERVICE_PORT"},
		{replicaProfiles(), "nginx", "storefront, by nginx", "BALANCER_PORT"},
	}
}

// stackCode is whose code a stack runs.
type stackCode struct {
	service  string // main package
	replicas string // arguments of the replicas' service
	nginx    string // nginx.conf, from the module's root
	redis    string // redis.conf
	sharded  bool   // with user data on servers of its own
}

// The labs whose code the replicas run unless told otherwise.
const (
	replicasLab = 2
	cacheLab    = 3
	shardingLab = 4
	queueLab    = 5
)

// stackCode returns the profiles to start, and the code of a lab for them; where it has none
// and for no lab the solutions' through the lab that the profiles came with.
func (w workshop) stackCode(names []string, labName string) ([]profile, stackCode, error) {
	code := stackCode{
		service: servicePackage,
		nginx:   "./solutions/02-horizontal/nginx.conf",
		redis:   "./solutions/03-cache/redis.conf",
	}
	var l folder
	var err error
	if labName != "" {
		if l, err = w.findLab(labName); err != nil {
			return nil, code, err
		}
	}
	chosen, err := choose(names, l.Number)
	if err != nil {
		return nil, code, err
	}
	code.sharded = slices.Contains(namesOf(chosen), shardingProfile)
	if labName == "" {
		through := replicasLab
		for _, p := range chosen {
			through = max(through, p.folder)
		}
		code.replicas = fmt.Sprintf("--through %02d", through)
		return chosen, code, nil
	}
	if slices.Contains(namesOf(chosen), "cache") && l.Number < cacheLab {
		return nil, code, usagef("lab %s comes before the cache and would leave it empty; profile horizontal shows it", l.ID())
	}
	if code.sharded && l.Number < shardingLab {
		return nil, code, usagef("lab %s comes before the shards and would leave them empty; profile cache shows it", l.ID())
	}
	if slices.Contains(namesOf(chosen), queueProfile) && l.Number < queueLab {
		return nil, code, usagef("lab %s comes before the queue, and has nobody to work behind it; profile sharding shows it", l.ID())
	}
	code.service = "./" + l.Dir() + "/service"
	for _, own := range []struct {
		name string
		file *string
	}{{"nginx.conf", &code.nginx}, {"redis.conf", &code.redis}} {
		conf := "./" + l.Dir() + "/" + own.name
		switch _, err := os.Stat(w.path(conf)); {
		case err == nil:
			*own.file = conf
		case !errors.Is(err, fs.ErrNotExist):
			return nil, code, fmt.Errorf("look for the lab's %s: %w", own.name, err)
		}
	}
	return chosen, code, nil
}

func (a *app) writeEnv(w workshop, built map[string]string, from stackCode) (*envFile, error) {
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		return nil, err
	}
	file.set("COMPOSE_PROJECT_NAME", a.project(file))
	// The seeded database has its password already. It is published nowhere.
	file.set("POSTGRES_PASSWORD", images.DatasetPassword)
	file.set("DEMO_EMAIL", seed.Email(1))
	file.set("DEMO_PASSWORD", seed.Password)
	file.set("REPLICA_ARGS", from.replicas)
	file.set("NGINX_CONF", from.nginx)
	file.set("REDIS_CONF", from.redis)
	file.set("USERDATA_HOST", "postgres")
	file.set("SHARD_DBS", "")
	if from.sharded {
		file.set("USERDATA_HOST", userDataServer)
		file.set("SHARD_DBS", shardURLs(images.DatasetPassword))
	}
	for _, key := range secrets() {
		if err := file.keepSecret(key); err != nil {
			return nil, err
		}
	}
	for _, variable := range imageVariables() {
		if ref := built[variable]; ref != "" {
			file.set(variable, ref)
		}
	}
	return file, file.write()
}

// endedEvery is the pause between two looks at whether a service still runs.
const endedEvery = 3 * time.Second

// awaitReady asks a URL until it says that it is ready, or the service that should answer
// there has ended.
func (c *compose) awaitReady(ctx context.Context, p *progress.Reporter, service, url string) (err error) {
	step := p.Step("wait for %s", url)
	defer func() { step.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	for looked := time.Now(); ; {
		last := askReady(ctx, client, url)
		if last == nil {
			return nil
		}
		if time.Since(looked) > endedEvery {
			running, err := c.running(ctx, everyProfile())
			if err == nil && !slices.Contains(running, service) {
				return fmt.Errorf("%s has ended", service)
			}
			looked = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the service is not ready after %v: %w", readyTimeout, last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// askReady asks once.
func askReady(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

func (a *app) describeStack(file *envFile, chosen []string) {
	s := a.styles(a.out)
	var rows [][]string
	url := ""
	for _, door := range frontDoors() {
		if anyOf(door.profiles, chosen) {
			url = a.address(file, door.variable)
			rows = append(rows, []string{door.what, url + "/"})
		}
	}
	if slices.Contains(chosen, "baseline") {
		rows = append(rows,
			[]string{"metrics", a.address(file, "SERVICE_PORT") + "/metrics"},
			[]string{"profiles", a.address(file, "PPROF_PORT") + "/debug/pprof/"},
		)
	}
	rows = append(rows, []string{"mail sink", a.address(file, "MAILSINK_PORT") + "/stats"})
	if slices.Contains(chosen, queueProfile) {
		rows = append(rows, []string{"RabbitMQ", a.address(file, "RABBITMQ_PORT") + "/, as bytebites with BROKER_PASSWORD in .env"})
	}
	if slices.Contains(chosen, "monitoring") {
		rows = append(rows, []string{"Prometheus", a.address(file, "PROMETHEUS_PORT") + "/"})
	}
	rows = append(rows,
		[]string{"sign in as", seed.Email(1)},
		[]string{"password", seed.Password},
		[]string{"staff token", "STAFF_TOKEN in .env"},
	)
	a.printf("\n%s", report.Table([]string{"ByteBites is up", ""}, rows, s.Bold, nil))
	next := []string{"order a dinner at " + url + "/"}
	if anyOf(replicaProfiles(), chosen) {
		next[0] = "sign in at " + url + "/ and reload: who answers stands at the foot of the page"
	}
	next = append(next, "go tool workshop shell postgres   to ask the database")
	if anyOf(cacheProfiles(), chosen) {
		next = append(next, "go tool workshop shell redis      to look into the cache")
	}
	if slices.Contains(chosen, queueProfile) {
		next = append(next, "go tool workshop shell rabbitmq -- list_queues   to see what waits")
	}
	if slices.Contains(chosen, shardingProfile) {
		next = append(next, "go tool workshop shell shard-1    to ask a shard, and userdata the server of before")
	}
	a.next(append(next, "go tool workshop down             to stop it and remove its data")...)
}
