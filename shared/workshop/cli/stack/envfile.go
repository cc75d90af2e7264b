package stack

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"bytebites.example/workshop/shared/testbed/engine"
)

// envFile is .env, from which docker compose reads its variables. The user may edit it too, so
// unknown lines are kept unchanged.
type envFile struct {
	path  string
	lines []string
}

func readEnvFile(path string) (*envFile, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &envFile{path: path, lines: []string{
			"# docker compose reads this file; `go tool workshop up` writes it and keeps your changes,",
			"# except to the images and to the code that they run. It holds secrets: git ignores it.",
		}}, nil
	}
	if err != nil {
		return nil, &engine.Unavailable{Problem: "the file .env of the clone cannot be read", Remedy: "correct its owner and mode, or remove it: `up` writes a new one", Err: err}
	}
	body := strings.TrimPrefix(string(text), "\ufeff") // a mark that some editors on Windows write
	body = strings.TrimRight(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	return &envFile{path: path, lines: strings.Split(body, "\n")}, nil
}

// get returns the value of a key, or "" if the file lacks it. The last line of a key counts.
func (f *envFile) get(key string) string {
	if at := f.find(key); at >= 0 {
		_, value, _ := strings.Cut(f.lines[at], "=")
		return parseValue(value)
	}
	return ""
}

func (f *envFile) find(key string) int {
	for i := len(f.lines) - 1; i >= 0; i-- {
		name, _, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(f.lines[i]), "export ")), "=")
		if ok && strings.TrimSpace(name) == key {
			return i
		}
	}
	return -1
}

// quoted is a value in quotes, with or without a comment behind it.
var quoted = regexp.MustCompile(`^(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*(?:#.*)?$`)

// comment is the end of a line that compose does not read.
var comment = regexp.MustCompile(`\s#.*$`)

// parseValue reads a value as docker-compose does: without the quotes around it, and without a
// comment behind it. A quote that is not closed makes the value empty.
func parseValue(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '"' && text[0] != '\'' {
		return strings.TrimSpace(comment.ReplaceAllString(text, ""))
	}
	match := quoted.FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`).Replace(match[1] + match[2])
}

func (f *envFile) set(key, value string) {
	line := key + "=" + value
	if at := f.find(key); at >= 0 {
		f.lines[at] = line
		return
	}
	f.lines = append(f.lines, line)
}

const secretBytes = 32

// keepSecret sets a key to a random secret, unless it has a value.
func (f *envFile) keepSecret(key string) error {
	if f.get(key) != "" {
		return nil
	}
	secret := make([]byte, secretBytes)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("generate %s: %w", key, err)
	}
	f.set(key, hex.EncodeToString(secret))
	return nil
}

// write replaces the file in one step, readable by its owner only. If it is a symbolic link, the
// file that it points to is replaced.
func (f *envFile) write() error {
	path := f.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".env.*") // mode 0600
	if err != nil {
		return notWritable(err)
	}
	_, err = draft.WriteString(strings.Join(f.lines, "\n") + "\n")
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return notWritable(errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}

// writable returns an error if write would fail, before minutes of work.
func (f *envFile) writable() error {
	probe, err := os.CreateTemp(filepath.Dir(f.path), ".env.*")
	if err != nil {
		return notWritable(err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func notWritable(err error) error {
	return &engine.Unavailable{Problem: "the file .env of the clone cannot be written", Remedy: "clone the workshop into a folder that your user can write to", Err: err}
}
