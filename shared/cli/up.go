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

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/images"
	"bytebites.example/workshop/shared/progress"
)

// secrets are the variables of docker-compose.yml without which it does not start.
func secrets() []string { return []string{"POSTGRES_PASSWORD", "STAFF_TOKEN", "PAYMENT_SECRET"} }

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
  go tool workshop up --size small         a small database, ready sooner`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runUp(cmd.Context(), args, size, labName)
		},
	}
	cmd.Flags().StringVar(&size, "size", "full", "size of the database: full (a million orders) or small")
	cmd.Flags().StringVar(&labName, "lab", "", "run the service of this lab, with your code, instead of the baseline")
	return cmd
}

func sizeByName(name string) (dataset.Size, error) {
	switch name {
	case "full":
		return dataset.Full(), nil
	case "small":
		return dataset.Small(), nil
	}
	return dataset.Size{}, usagef("no size %q; there are: full, small", name)
}

func (a *app) runUp(ctx context.Context, names []string, sizeName, labName string) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	size, err := sizeByName(sizeName)
	if err != nil {
		return err
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	from, err := w.stackCode(labName)
	if err != nil {
		return err
	}
	p := a.progress()
	built, host, err := a.stackImages(ctx, p, from.service, size, chosen)
	if err != nil {
		return err
	}
	file, err := a.writeEnv(w, built, from)
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
	if err := a.portsFree(ctx, file, chosen, running); err != nil {
		return err
	}
	if err := c.run(ctx, chosen, "up", "-d", "--remove-orphans"); err != nil {
		return err
	}
	for _, door := range frontDoors() {
		if !slices.Contains(chosen, door.profile) {
			continue
		}
		if err := awaitReady(ctx, p, a.address(file, door.variable)); err != nil {
			return fmt.Errorf("%w; what it said: %s --profile %s logs", err, c, door.profile)
		}
	}
	a.describeStack(file, chosen)
	return nil
}

// frontDoor is where a profile's storefront is.
type frontDoor struct{ profile, what, variable string }

func frontDoors() []frontDoor {
	return []frontDoor{
		{"baseline", "storefront", "SERVICE_PORT"},
		{"horizontal", "storefront, by nginx", "BALANCER_PORT"},
	}
}

// stackCode is whose code a stack runs.
type stackCode struct {
	service  string // main package
	replicas string // arguments of the replicas' service
	nginx    string // nginx.conf, from the module's root
}

// stackCode returns the code of a lab, or where it has none and for no lab the solutions'.
func (w workshop) stackCode(labName string) (stackCode, error) {
	code := stackCode{service: servicePackage, replicas: "--through 02", nginx: "./solutions/02-horizontal/nginx.conf"}
	if labName == "" {
		return code, nil
	}
	l, err := w.findLab(labName)
	if err != nil {
		return stackCode{}, err
	}
	code.service, code.replicas = "./"+l.Dir()+"/service", ""
	conf := "./" + l.Dir() + "/nginx.conf"
	switch _, err := os.Stat(w.path(conf)); {
	case err == nil:
		code.nginx = conf
	case !errors.Is(err, fs.ErrNotExist):
		return stackCode{}, fmt.Errorf("look for the lab's nginx.conf: %w", err)
	}
	return code, nil
}

func (a *app) writeEnv(w workshop, built map[string]string, from stackCode) (*envFile, error) {
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		return nil, err
	}
	file.set("COMPOSE_PROJECT_NAME", a.project(file))
	// The seeded database has its password already. It is published nowhere.
	file.set("POSTGRES_PASSWORD", images.DatasetPassword)
	file.set("DEMO_EMAIL", dataset.Email(1))
	file.set("DEMO_PASSWORD", dataset.Password)
	file.set("REPLICA_ARGS", from.replicas)
	file.set("NGINX_CONF", from.nginx)
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

// awaitReady asks the service until it says that it is ready.
func awaitReady(ctx context.Context, p *progress.Reporter, url string) (err error) {
	step := p.Step("wait for %s", url)
	defer func() { step.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	for last := error(nil); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask the service: %w", err)
		}
		response, err := client.Do(request)
		if err == nil {
			err = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			last = fmt.Errorf("it answers %s", response.Status)
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the service is not ready after %v: %w", readyTimeout, last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (a *app) describeStack(file *envFile, chosen []string) {
	s := a.styles(a.out)
	var rows [][]string
	url := ""
	for _, door := range frontDoors() {
		if slices.Contains(chosen, door.profile) {
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
	if slices.Contains(chosen, "monitoring") {
		rows = append(rows, []string{"Prometheus", a.address(file, "PROMETHEUS_PORT") + "/"})
	}
	rows = append(rows,
		[]string{"sign in as", dataset.Email(1)},
		[]string{"password", dataset.Password},
		[]string{"staff token", "STAFF_TOKEN in .env"},
	)
	a.printf("\n%s", table([]string{"ByteBites is up", ""}, rows, s.bold, nil))
	a.next(
		"order a dinner at "+url+"/",
		"go tool workshop shell postgres   to ask the database",
		"go tool workshop down             to stop it and remove its data",
	)
}
