package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/cli"
	"bytebites.example/workshop/shared/workshop/course"
)

// pages returns the texts that people read, by path from the module's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	err = fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && name != ".") {
			return fs.SkipDir
		}
		if path.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		found[file] = strings.ReplaceAll(string(text), "\r\n", "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("only %d pages", len(found))
	}
	return found
}

var (
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	block   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	named   = regexp.MustCompile(`[\[\]*_` + "`" + `]|\([^)]*\)`)
)

// anchors returns the names that a page's headings have in links.
func anchors(page string) []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, named.ReplaceAllString(match[1], ""))
		names = append(names, name)
	}
	return names
}

// TestLinks follows the links from page to page.
func TestLinks(t *testing.T) {
	all := pages(t)
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for file, text := range all {
		for _, match := range linked.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			followed++
			to, anchor, _ := strings.Cut(target, "#")
			at := file
			if to != "" {
				at = path.Join(path.Dir(file), to)
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(at))); err != nil {
					t.Errorf("%s: link to %s, which does not exist", file, target)
					continue
				}
			}
			if anchor != "" && path.Ext(at) == ".md" && !slices.Contains(anchors(all[at]), anchor) {
				t.Errorf("%s: link to %s, which has no such heading; it has %v", file, target, anchors(all[at]))
			}
		}
	}
	if followed < 20 {
		t.Errorf("followed only %d links", followed)
	}
}

var (
	commandLine = regexp.MustCompile("go tool workshop((?: +[^\\s`|;&()]+)*)")
	flagName    = regexp.MustCompile(`^--?[a-z][a-z-]*`)
	labNumber   = regexp.MustCompile(`^\d{1,2}$`)
	checkName   = regexp.MustCompile(`Name: +"([^"]+)"`)
)

// TestCommands holds every command of the pages against the command line: the verb, its flags, the
// lab, the step and the check exist.
func TestCommands(t *testing.T) {
	help := make(map[string]string) // by verb
	helpOf := func(verb string) string {
		if text, ok := help[verb]; ok {
			return text
		}
		var out, said bytes.Buffer
		if code := cli.Run(t.Context(), []string{verb, "-h"}, nil, &out, &said, os.Environ()); code != 0 || strings.Contains(said.String(), "unknown command") {
			out.Reset()
		}
		help[verb] = out.String()
		return help[verb]
	}
	checked := 0
	for file, text := range pages(t) {
		for _, match := range commandLine.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(strings.TrimRight(match[1], ".,:'\""))
			if at := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); at >= 0 {
				words = words[:at] // a comment of the shell
			}
			if len(words) == 0 || strings.HasPrefix(words[0], "<") || words[0] == "..." || strings.ToUpper(words[0]) == words[0] {
				continue // the tool itself, or any verb
			}
			checked++
			usage := helpOf(words[0])
			if !strings.Contains(usage, "go tool workshop "+words[0]) {
				t.Errorf("%s: %q: there is no verb %s", file, match[0], words[0])
				continue
			}
			for _, problem := range wrongWords(t, words, usage) {
				t.Errorf("%s: %q: %s", file, match[0], problem)
			}
		}
	}
	if checked < 50 {
		t.Errorf("looked at only %d commands", checked)
	}
}

// wrongWords returns what a command names and the command line does not know.
func wrongWords(t *testing.T, words []string, usage string) []string {
	t.Helper()
	var problems []string
	var l course.Lab
	for i, word := range words[1:] {
		word = strings.Trim(word, "[]")
		value := ""
		if i+2 < len(words) {
			value = strings.Trim(words[i+2], "[]")
		}
		if name := flagName.FindString(word); name != "" {
			if !strings.Contains(usage, name+" ") && !strings.Contains(usage, name+",") && !strings.Contains(usage, name+"\n") {
				problems = append(problems, "there is no flag "+name)
			}
			if step, err := strconv.Atoi(value); err == nil && name == "--step" && l.Name != "" && step > len(l.Steps) {
				problems = append(problems, "lab "+l.ID()+" has no step "+value)
			}
			if name == "--only" && l.Name != "" && value != "" && strings.ToUpper(value) != value && !strings.HasPrefix(value, "'") && !strings.HasPrefix(value, `"`) && !slices.Contains(checksOf(t, l), value) {
				problems = append(problems, "lab "+l.ID()+" has no check "+value)
			}
			continue
		}
		if l.Name == "" && labNumber.MatchString(word) && slices.Contains([]string{"check", "hint", "report", "verify"}, words[0]) {
			at := slices.IndexFunc(withToy(), func(entry course.Lab) bool { return entry.Is(word) })
			if at < 0 {
				problems = append(problems, "there is no lab "+word)
				continue
			}
			l = withToy()[at]
		}
	}
	return problems
}

// checksOf returns the names that a lab's spec gives, by its source.
func checksOf(t *testing.T, l course.Lab) []string {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(l.Dir()), "spec", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range checkName.FindAllStringSubmatch(string(source), -1) {
			names = append(names, match[1])
		}
	}
	return names
}
