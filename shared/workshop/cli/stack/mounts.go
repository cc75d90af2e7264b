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
	var files []string
	// The folder may be behind a symbolic link, which WalkDir follows only with a slash at its end.
	err := filepath.WalkDir(filepath.Join(s.Root, deployDir)+string(filepath.Separator), func(file string, _ fs.DirEntry, err error) error {
		files = append(files, file)
		return err
	})
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

const (
	readBits fs.FileMode = 0o444
	// enterBits let all users open the files of a folder.
	enterBits fs.FileMode = 0o111
)

func readableByAll(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // compose says it better
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", file, err)
	}
	mode, needed := info.Mode().Perm(), readBits
	if info.IsDir() {
		needed |= enterBits
	}
	if mode&needed == needed {
		return nil
	}
	if err := os.Chmod(file, mode|needed); err != nil {
		return unavailable(file+" is not readable for the servers in containers", "run: chmod a+rX "+file)
	}
	return nil
}
