package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// deployDir has the configuration files that docker-compose.yml mounts.
const deployDir = "shared/deploy"

// readableByServers makes the files readable that docker-compose.yml mounts into containers. The
// servers in there run as users of their own. With a umask of 077, git makes files that only their
// owner can read. These files hold no secret.
func (s *Stack) readableByServers(code stackCode) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(s.Root, deployDir, "*"))
	if err != nil {
		return fmt.Errorf("list %s: %w", deployDir, err)
	}
	for _, conf := range []string{code.nginx, code.redis} {
		if conf != "" {
			files = append(files, filepath.Join(s.Root, conf))
		}
	}
	for _, file := range files {
		if err := readableByAll(file); err != nil {
			return err
		}
	}
	return nil
}

const readBits fs.FileMode = 0o444

func readableByAll(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // compose says it better
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", file, err)
	}
	mode := info.Mode().Perm()
	if mode&readBits == readBits {
		return nil
	}
	if err := os.Chmod(file, mode|readBits); err != nil {
		return unavailable(file+" is not readable for the servers in containers", "run: chmod a+r "+file)
	}
	return nil
}
