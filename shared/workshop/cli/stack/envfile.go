package stack

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
		return nil, fmt.Errorf("read .env: %w", err)
	}
	body := strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	return &envFile{path: path, lines: strings.Split(body, "\n")}, nil
}

// get returns the value of a key, or "" if the file lacks it. The last line of a key counts.
func (f *envFile) get(key string) string {
	if at := f.find(key); at >= 0 {
		_, value, _ := strings.Cut(f.lines[at], "=")
		return unquote(strings.TrimSpace(value))
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

func unquote(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
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

// write replaces the file in one step, readable by its owner only.
func (f *envFile) write() error {
	draft, err := os.CreateTemp(filepath.Dir(f.path), ".env.*") // mode 0600
	if err != nil {
		return fmt.Errorf("write .env: %w", err)
	}
	_, err = draft.WriteString(strings.Join(f.lines, "\n") + "\n")
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write .env: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}
