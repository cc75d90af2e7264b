package testbed

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	nginxConf     = "/etc/nginx/nginx.conf"
	nginxReady    = 30 * time.Second
	reloadTimeout = 10 * time.Second
	// reloadInterval is the pause before each look at nginx's processes during a reload.
	reloadInterval = 20 * time.Millisecond
	// acceptedWithin is how soon new workers usually run. Without them, nginx is asked whether it has
	// rejected its configuration: a question that costs more than a reload.
	acceptedWithin = 250 * time.Millisecond
)

// NginxOptions describe an nginx server.
type NginxOptions struct {
	Name string        // "nginx" when empty
	Type instance.Type // the zero Type has no CPU quota and 2 GiB
	Conf []byte        // nginx.conf
	// Files are more files of the configuration, by path in the container, such as
	// /etc/nginx/upstreams.conf. The folder must exist in the image.
	Files map[string][]byte
	Port  int // on which the configuration listens; 80 when 0
}

// Nginx is an nginx server.
type Nginx struct {
	*Server
	port int

	reload sync.Mutex // one change of the configuration at a time
	files  map[string][]byte
	shell  shell // a change of the configuration takes a dozen commands
}

// Nginx starts an nginx server. The upstream servers that its configuration names must be
// running on the bed, because nginx resolves names once, when it starts.
func (b *Bed) Nginx(ctx context.Context, o NginxOptions) (*Nginx, error) {
	if o.Name == "" {
		o.Name = "nginx"
	}
	if o.Port == 0 {
		o.Port = 80
	}
	image, err := b.image(ctx, images.Nginx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	n := &Nginx{port: o.Port, files: maps.Clone(o.Files)}
	if n.files == nil {
		n.files = make(map[string][]byte)
	}
	n.files[nginxConf] = o.Conf
	files := make(map[string]file, len(n.files))
	for name, content := range n.files {
		files[name] = file{content: content, mode: 0o644}
	}
	n.Server, err = b.create(ctx, spec{
		kind:  "nginx",
		name:  o.Name,
		image: image,
		files: files,
		ports: []int{o.Port},
		typ:   o.Type,
		caps:  append(rootThenUserCaps(), "NET_BIND_SERVICE"),
		ready: listenReady(o.Port, nginxReady),
	})
	if err != nil {
		return nil, err
	}
	n.shell.server = n.Server
	return n, nil
}

// URL is the server's address for this process.
func (n *Nginx) URL() string { return "http://" + n.Address(n.port) }

// InternalURL is the server's address for servers on the bed.
func (n *Nginx) InternalURL() string { return "http://" + n.InternalAddress(n.port) }

// ConfigError says that nginx rejected a configuration.
type ConfigError struct {
	Path   string
	Output string // of nginx -t
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("nginx rejected %s: %s", e.Path, strings.TrimSpace(e.Output))
}

// ReplaceConf replaces nginx.conf in the running server, see ReplaceFile.
func (n *Nginx) ReplaceConf(ctx context.Context, conf []byte) error {
	return n.ReplaceFile(ctx, nginxConf, conf)
}

// ReplaceFile replaces a file of the running server's configuration and reloads nginx.
// When nginx rejects the file, the error is a *ConfigError and the server keeps the old
// configuration.
func (n *Nginx) ReplaceFile(ctx context.Context, name string, content []byte) error {
	n.reload.Lock()
	defer n.reload.Unlock()
	before, known := n.files[name]
	if !known {
		return fmt.Errorf("replace %s in %s: the server was started without it", name, n.Name())
	}
	if err := n.write(ctx, name, content); err != nil {
		return err
	}
	err := n.reloadLocked(ctx)
	var rejected *ConfigError
	if errors.As(err, &rejected) {
		rejected.Path = path.Base(name)
		// Write the old file back even after ctx has ended, else the next reload fails too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostspeed.Wait(reloadTimeout))
		defer cancel()
		return errors.Join(rejected, n.write(ctx, name, before))
	}
	n.files[name] = content
	return err
}

// test asks nginx about its configuration. The error is a *ConfigError when nginx rejects it.
func (n *Nginx) test(ctx context.Context) error {
	out, err := n.Exec(ctx, "nginx", "-t", "-q")
	var failed *ExecError
	if errors.As(err, &failed) {
		return &ConfigError{Path: path.Base(nginxConf), Output: out}
	}
	return err
}

// write replaces a file at once: nginx never reads a part of it.
func (n *Nginx) write(ctx context.Context, name string, content []byte) error {
	within := hostspeed.Wait(reloadTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, within, &LateError{What: "no file written", Within: within})
	defer cancel()
	_, err := n.shell.run(ctx, fmt.Sprintf("base64 -d > %[1]s.new <<'END'\n%[2]s\nEND\nmv -f %[1]s.new %[1]s",
		quoted(name), base64.StdEncoding.EncodeToString(content)))
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// quoted makes one word of a shell of a text.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// File returns a file of the configuration as a balancer.Publisher.
func (n *Nginx) File(name string) NginxFile { return NginxFile{nginx: n, name: name} }

// NginxFile is one file of a running nginx's configuration.
type NginxFile struct {
	nginx *Nginx
	name  string
}

// Publish replaces the file and reloads nginx, see ReplaceFile.
func (f NginxFile) Publish(ctx context.Context, content []byte) error {
	return f.nginx.ReplaceFile(ctx, f.name, content)
}

// Reload makes nginx read its configuration again. The old workers finish the requests in
// flight. When Reload returns, all new connections go to the new workers. The error is a *ConfigError when nginx
// rejects the configuration; it then keeps the one that it has.
func (n *Nginx) Reload(ctx context.Context) error {
	n.reload.Lock()
	defer n.reload.Unlock()
	return n.reloadLocked(ctx)
}

func (n *Nginx) reloadLocked(ctx context.Context) error {
	within := hostspeed.Wait(reloadTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, within, &LateError{What: "no new workers", Within: within})
	defer cancel()
	before, err := n.workers(ctx)
	if err != nil {
		return fmt.Errorf("reload %s: %w", n.Name(), err)
	}
	if _, err := n.shell.run(ctx, "kill -HUP 1"); err != nil {
		return fmt.Errorf("reload %s: %w", n.Name(), err)
	}
	tested := false
	for sent := time.Now(); ; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("reload %s: %w", n.Name(), errors.Join(context.Cause(ctx), err))
		case <-time.After(reloadInterval):
		}
		var now map[string]bool
		now, err = n.workers(ctx)
		if err == nil && replaced(before, now) {
			return nil
		}
		if !tested && time.Since(sent) > acceptedWithin {
			tested = true
			if err := n.test(ctx); err != nil {
				return fmt.Errorf("reload %s: %w", n.Name(), err)
			}
		}
	}
}

// listWorkers prints the process ids and titles of nginx's workers. It starts no process.
const listWorkers = `for process in /proc/[0-9]*; do
  title=
  IFS= read -r title < $process/cmdline
  case $title in 'nginx: worker process'*) echo "${process#/proc/} $title";; esac
done 2>/dev/null; true`

// workers returns the process ids, in the container, of the workers that accept connections.
func (n *Nginx) workers(ctx context.Context) (map[string]bool, error) {
	list, err := n.shell.run(ctx, listWorkers)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return acceptingWorkers(list), nil
}

// acceptingWorkers reads what listWorkers prints. The process title shows a worker's state:
// "nginx: worker process" accepts connections, and "nginx: worker process is shutting down"
// does not.
func acceptingWorkers(list string) map[string]bool {
	workers := make(map[string]bool)
	for line := range strings.Lines(list) {
		if pid, title, _ := strings.Cut(line, " "); strings.TrimSpace(title) == "nginx: worker process" {
			workers[pid] = true
		}
	}
	return workers
}

// replaced reports whether no worker in before still accepts connections and at least one
// new worker does.
func replaced(before, now map[string]bool) bool {
	for pid := range now {
		if before[pid] {
			return false
		}
	}
	return len(now) > 0
}
