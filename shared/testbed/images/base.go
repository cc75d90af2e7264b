package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

// baseExcludes are the files of debootstrap that the base image leaves out: caches, and the
// files that the recipe's dpkg configuration excludes from later packages.
var baseExcludes = []string{
	"./var/cache/apt/*",
	"./var/log/*",
	"./usr/share/doc/*",
	"./usr/share/man/*",
	"./usr/share/info/*",
	"./usr/share/lintian/*",
	"./usr/share/locale/??",
	"./usr/share/locale/??_*",
	"./usr/share/locale/???",
	"./usr/share/locale/*@*",
}

// EnvMirror names the environment variable that holds the URL of the Debian mirror for
// builds. The default is debootstrap's.
const EnvMirror = "BYTEBITES_DEBIAN_MIRROR"

// buildDirPattern matches the folders of builds. Builds hold a lock, so a folder that exists
// at the start of a build is the leftover of a killed process.
const buildDirPattern = "bytebites-debootstrap-*"

// host is this machine, as the build of the base image uses it.
type host struct {
	goos string
	root bool
	// look finds a program on the PATH.
	look func(name string) (string, error)
	run  func(ctx context.Context, step *progress.Step, name string, arguments ...string) error
}

func thisHost() host {
	return host{goos: runtime.GOOS, root: os.Geteuid() == 0, look: exec.LookPath, run: runTool}
}

// runTool runs a program and shows its output as the step's detail. The kernel kills the
// program when this process ends. The program's files get the modes that an image needs, whatever
// the user's umask is: the servers in an image run as users of their own.
func runTool(ctx context.Context, step *progress.Step, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `umask 022 && exec "$0" "$@"`, name}, arguments...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out := &tail{step: step}
	cmd.Stdout, cmd.Stderr = out, out
	if err := runTied(cmd); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// canBuild installs debootstrap where it is missing. When the build is not possible on this
// machine, it returns an *engine.Unavailable with the reason.
func (h host) canBuild(ctx context.Context, p *progress.Reporter) (err error) {
	const problem = "the server images are not here, no registry gives them, and they cannot be built: "
	const bundle = ", or load images that another machine saved: go tool workshop images load FILE"
	if h.goos != "linux" {
		return &engine.Unavailable{
			Problem: problem + "the build needs debootstrap, a tool for Linux",
			Remedy:  "get access to an image registry" + bundle,
		}
	}
	if !h.root {
		return &engine.Unavailable{
			Problem: problem + "debootstrap needs root",
			Remedy:  "run this command as root once (sudo), get access to an image registry" + bundle,
		}
	}
	for _, tool := range []string{"unshare", "chroot", "tar"} {
		if _, err := h.look(tool); err != nil {
			return &engine.Unavailable{Problem: problem + "there is no " + tool, Remedy: "install util-linux, coreutils and tar", Err: err}
		}
	}
	if _, err := h.look("debootstrap"); err == nil {
		return nil
	}
	if _, err := h.look("apt-get"); err != nil {
		return &engine.Unavailable{
			Problem: problem + "debootstrap is not installed",
			Remedy:  "install debootstrap with this system's package manager" + bundle,
			Err:     err,
		}
	}
	step := p.Step("install debootstrap from apt")
	defer func() { step.End(err) }()
	install := []string{"install", "-y", "--no-install-recommends", "debootstrap", "debian-archive-keyring"}
	if h.run(ctx, step, "apt-get", install...) == nil {
		return nil
	}
	// The usual reason for a failure is that a fresh machine has no package lists.
	if err := h.run(ctx, step, "apt-get", "update"); err != nil {
		return &engine.Unavailable{Problem: problem + "apt-get update fails", Remedy: "make the Debian mirror reachable" + bundle, Err: err}
	}
	if err := h.run(ctx, step, "apt-get", install...); err != nil {
		return &engine.Unavailable{Problem: problem + "debootstrap cannot be installed", Remedy: "run: apt-get install debootstrap" + bundle, Err: err}
	}
	return nil
}

// buildBase makes the base image of all Debian recipes.
func buildBase(ctx context.Context, eng *engine.Engine, p *progress.Reporter, ref Ref) (err error) {
	h := thisHost()
	if err := h.canBuild(ctx, p); err != nil {
		return err
	}
	if err := samePlatform(ctx, eng); err != nil {
		return err
	}
	step := p.Step("build image %s", ref)
	defer func() { step.End(err) }()
	// The usual temporary folder is often in memory or mounted nodev, so use another.
	leftovers, err := filepath.Glob(filepath.Join("/var/tmp", buildDirPattern))
	if err != nil {
		return fmt.Errorf("find old build folders: %w", err)
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove old build folder: %w", err)
		}
	}
	dir, err := os.MkdirTemp("/var/tmp", buildDirPattern)
	if err != nil {
		return fmt.Errorf("make build folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := h.debootstrap(ctx, step, dir); err != nil {
		return &engine.Unavailable{
			Problem: "the Debian base image cannot be built",
			Remedy:  "make a Debian mirror reachable (" + EnvMirror + " names another)",
			Err:     err,
		}
	}
	step.Detail("import into the engine")
	return importFolder(ctx, eng, dir, ref, step)
}

// debootstrap fills dir with Debian and the recipe's settings.
func (h host) debootstrap(ctx context.Context, step *progress.Step, dir string) error {
	// The mode of dir becomes the mode of the image's root folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open build folder: %w", err)
	}
	// Write the settings first, so that debootstrap's dpkg follows them too.
	for _, f := range mustRootFS(baseRecipe) {
		target := filepath.Join(dir, filepath.FromSlash(f.name))
		var err error
		if strings.HasSuffix(f.name, "/") {
			err = os.MkdirAll(target, fs.FileMode(f.mode))
		} else {
			err = os.WriteFile(target, f.data, fs.FileMode(f.mode))
		}
		if err == nil {
			err = os.Chmod(target, fs.FileMode(f.mode)) // the umask has taken bits away
		}
		if err != nil {
			return fmt.Errorf("prepare base: %w", err)
		}
	}
	// Run debootstrap in its own namespaces, so that a killed build leaves no mounts and no
	// processes.
	apart := []string{"--mount", "--pid", "--fork", "--kill-child"}
	arguments := append(apart[:len(apart):len(apart)], "debootstrap", "--variant=minbase", debianRelease, dir)
	if mirror := os.Getenv(EnvMirror); mirror != "" {
		arguments = append(arguments, mirror)
	}
	if err := h.run(ctx, step, "unshare", arguments...); err != nil {
		return err
	}
	// debootstrap leaves the lists uncompressed.
	lists, err := filepath.Glob(filepath.Join(dir, "var/lib/apt/lists/*_*"))
	if err != nil {
		return fmt.Errorf("find package lists: %w", err)
	}
	for _, list := range lists {
		if err := os.Remove(list); err != nil {
			return fmt.Errorf("remove package list: %w", err)
		}
	}
	return h.run(ctx, step, "unshare", append(apart[:len(apart):len(apart)], "chroot", dir, "apt-get", "update")...)
}

// importFolder streams a folder into the engine as an image.
func importFolder(ctx context.Context, eng *engine.Engine, dir string, ref Ref, step *progress.Step) error {
	arguments := []string{"-C", dir, "-c", "--numeric-owner", "--one-file-system"}
	for _, pattern := range baseExcludes {
		arguments = append(arguments, "--exclude="+pattern)
	}
	cmd := exec.CommandContext(ctx, "tar", append(arguments, ".")...)
	out := &tail{step: step}
	cmd.Stderr = out
	layer, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("tar: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("tar: %w", err)
	}
	imported := importTar(ctx, eng, layer, ref, []string{`CMD ["bash"]`, imageLabel("debian")}, step)
	if err := cmd.Wait(); err != nil {
		return errors.Join(imported, fmt.Errorf("tar: %w\n%s", err, out))
	}
	return imported
}

// samePlatform returns an error when the engine has another platform than this machine,
// because debootstrap builds for this machine.
func samePlatform(ctx context.Context, eng *engine.Engine) error {
	version, err := eng.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("read the engine's platform: %w", err)
	}
	if version.Os == "linux" && version.Arch == runtime.GOARCH {
		return nil
	}
	return &engine.Unavailable{
		Problem: fmt.Sprintf("images for %s/%s cannot be built on linux/%s", version.Os, version.Arch, runtime.GOARCH),
		Remedy:  "run this command on the engine's machine, or get access to an image registry",
	}
}
