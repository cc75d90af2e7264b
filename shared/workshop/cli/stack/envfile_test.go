package stack

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestEnvFileKeepsWhatTheUserWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	const before = "# mine\r\nSERVICE_PORT=18080\nSTAFF_TOKEN=\"my own token, long enough\"\nexport SERVICE_IMAGE=old\nODD\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := readEnvFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file.set("SERVICE_IMAGE", "new")
	for _, key := range []string{"STAFF_TOKEN", "PAYMENT_SECRET"} {
		if err := file.keepSecret(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const kept = "# mine\nSERVICE_PORT=18080\nSTAFF_TOKEN=\"my own token, long enough\"\nSERVICE_IMAGE=new\nODD\nPAYMENT_SECRET="
	rest, ok := strings.CutPrefix(string(text), kept)
	if !ok || len(strings.TrimSpace(rest)) != 2*secretBytes {
		t.Errorf("wrote %q, want %q and a secret of %d bytes in hex", text, kept, secretBytes)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: others can read the secrets", info.Mode())
	}

	again, err := readEnvFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := again.get("PAYMENT_SECRET")
	if err := again.keepSecret("PAYMENT_SECRET"); err != nil {
		t.Fatal(err)
	}
	if again.get("PAYMENT_SECRET") != secret {
		t.Error("a second run changed a secret")
	}
	if got := again.get("STAFF_TOKEN"); got != "my own token, long enough" {
		t.Errorf("STAFF_TOKEN = %q", got)
	}
}

// The expected values are those that docker-compose 1.29 and docker compose 2 read.
func TestEnvFileValues(t *testing.T) {
	for line, want := range map[string]string{
		"A=18080 # mine":      "18080",
		"A=18080\t#mine":      "18080",
		"A=18080#mine":        "18080#mine",
		`A="18080" # mine`:    "18080",
		`A='a # b' # mine`:    "a # b",
		`A="a b"`:             "a b",
		`A="open`:             "",
		`A="a" b`:             "",
		`A="a\"b\\"`:          `a"b\`,
		"A= 18080 ":           "18080",
		"export A=1":          "1",
		"A = 1":               "1",
		"A=":                  "",
		"A= # nothing":        "# nothing",
		"A=--through 05":      "--through 05",
		"\ufeffA=1":           "1",
		"A=1\r\nA=2\r\n":      "2",
		"#A=1":                "",
		"A=postgres://a?b=c#": "postgres://a?b=c#",
	} {
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := readEnvFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := file.get("A"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestEnvFileThatIsALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, ".env")
	if err := os.WriteFile(target, []byte("A=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	file, err := readEnvFile(link)
	if err != nil {
		t.Fatal(err)
	}
	file.set("A", "2")
	if err := file.write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(target)
	if info, statErr := os.Lstat(link); err != nil || statErr != nil || string(text) != "A=2\n" || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the target is %q, %v; the link is %v, %v", text, err, info, statErr)
	}
}

func TestNewEnvFile(t *testing.T) {
	dir := t.TempDir()
	secrets := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		file, err := readEnvFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := file.keepSecret("KEY"); err != nil {
			t.Fatal(err)
		}
		secrets[file.get("KEY")] = true
	}
	if len(secrets) != 2 || secrets[""] {
		t.Errorf("secrets %v, want two that differ", secrets)
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n#B=2\n\n export C = 'x y' \nA=2", "A")
	f.Add("=\n==\nexport =", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		if strings.ContainsAny(key, "=\n\r \t\v\f\u0085\u00a0") || strings.TrimSpace(key) != key || key == "" || strings.HasPrefix(key, "export ") {
			t.Skip("no variable's name")
		}
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := readEnvFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file.set(key, "value")
		if err := file.write(); err != nil {
			t.Fatal(err)
		}
		again, err := readEnvFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := again.get(key); got != "value" {
			t.Errorf("set %q in %q, read back %q", key, text, got)
		}
	})
}
