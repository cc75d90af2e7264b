package spec

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// leastReadTimeout is the time after which the service itself gives up a request, and
	// mostReadTimeout the lesson's bound.
	leastReadTimeout = 10 * time.Second
	mostReadTimeout  = 30 * time.Second
	// timeoutDefault is nginx's own, for a connection and for an answer.
	timeoutDefault = 60 * time.Second
)

// boundedWaits reads the timeouts from the configuration that nginx has loaded. A check that
// waited that long would take longer than all others together.
func (l *trial) boundedWaits(ctx context.Context, run *lab.Run) error {
	text, err := l.proxies.nginx.Exec(ctx, "nginx", "-T", "-q")
	if err != nil {
		return err
	}
	root, err := parseConf(text)
	if err != nil {
		return err
	}
	waits := root.waits(wait{connect: timeoutDefault, read: timeoutDefault})
	if len(waits) == 0 {
		return &lab.Failure{Expected: "a location that passes requests on to the replicas", Seen: "none", Look: confLook("proxy_pass")}
	}
	for _, w := range waits {
		run.Report("longest wait for an answer, in "+w.where, w.read.Seconds(), "s")
		if w.read < leastReadTimeout || w.read > mostReadTimeout {
			return &lab.Failure{
				Expected: fmt.Sprintf("nginx to wait %s to %s for an answer: the service gives up a request after %s", leastReadTimeout, mostReadTimeout, leastReadTimeout),
				Seen:     fmt.Sprintf("%s in %s", w.read, w.where), Look: confLook("proxy_read_timeout"),
			}
		}
		if w.connect >= load.DefaultTimeout {
			return &lab.Failure{
				Expected: fmt.Sprintf("nginx to wait less than the %s of a client for a connection to a replica", load.DefaultTimeout),
				Seen:     fmt.Sprintf("%s in %s", w.connect, w.where), Look: confLook("proxy_connect_timeout"),
			}
		}
	}
	return nil
}

// directive is one of nginx's, with the block behind it if it has one.
type directive struct {
	words []string
	block []directive
}

// wait is how long nginx waits, in a block that passes requests on.
type wait struct {
	where   string
	connect time.Duration // for a connection
	read    time.Duration // for an answer
}

// waits returns those of all blocks below d. A block without a timeout has that around it.
func (d directive) waits(inherited wait) []wait {
	var all []wait
	passes := false
	for _, inner := range d.block {
		last := inner.words[len(inner.words)-1]
		switch inner.words[0] {
		case "proxy_read_timeout":
			if read, err := confTime(last); err == nil {
				inherited.read = read
			}
		case "proxy_connect_timeout":
			if connect, err := confTime(last); err == nil {
				inherited.connect = connect
			}
		case "proxy_pass":
			passes = true
		}
	}
	if passes {
		inherited.where = strings.Join(d.words, " ")
		all = append(all, inherited)
	}
	for _, inner := range d.block {
		if inner.block != nil {
			all = append(all, inner.waits(inherited)...)
		}
	}
	return all
}

// confTime reads a time as nginx writes it: a number of seconds, or numbers with units.
func confTime(text string) (time.Duration, error) {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	text = strings.ReplaceAll(text, " ", "")
	var days time.Duration
	if before, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.Atoi(before)
		if err != nil {
			return 0, err
		}
		days, text = time.Duration(n)*24*time.Hour, after
		if text == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(text)
	return days + d, err
}

// parseConf reads a configuration in nginx's syntax: words that end with a semicolon or with a
// block in braces, comments from a #, and quotes around words.
func parseConf(text string) (directive, error) {
	root := directive{words: []string{"nginx.conf"}, block: []directive{}}
	stack := []*directive{&root}
	var words []string
	for _, token := range confTokens(text) {
		top := stack[len(stack)-1]
		switch {
		case token == ";" && len(words) > 0:
			top.block = append(top.block, directive{words: words})
			words = nil
		case token == "{" && len(words) > 0:
			top.block = append(top.block, directive{words: words, block: []directive{}})
			stack = append(stack, &top.block[len(top.block)-1])
			words = nil
		case token == "}" && len(stack) > 1:
			stack = stack[:len(stack)-1]
		case token == ";" || token == "{" || token == "}":
			return directive{}, fmt.Errorf("read nginx's configuration: unexpected %q", token)
		default:
			words = append(words, strings.Trim(token, `"'`))
		}
	}
	if len(stack) > 1 || len(words) > 0 {
		return directive{}, errors.New("read nginx's configuration: unexpected end")
	}
	return root, nil
}

// confTokens splits a configuration into words, quoted ones with their quotes, and ; { }.
func confTokens(text string) []string {
	var tokens []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			tokens = append(tokens, word.String())
			word.Reset()
		}
	}
	quote, comment, escaped := rune(0), false, false
	for _, r := range text {
		switch {
		case comment:
			comment = r != '\n'
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			word.WriteRune(r)
			escaped = true
		case quote != 0:
			word.WriteRune(r)
			if r == quote {
				quote = 0
			}
		case (r == '"' || r == '\'') && word.Len() == 0:
			word.WriteRune(r)
			quote = r
		case r == '#' && word.Len() == 0:
			comment = true
		case r == '{' && strings.HasSuffix(word.String(), "$"): // a variable in braces
			word.WriteRune(r)
		case r == '}' && strings.Contains(word.String(), "${"):
			word.WriteRune(r)
		case strings.ContainsRune(" \t\r\n", r):
			flush()
		case strings.ContainsRune(";{}", r):
			flush()
			tokens = append(tokens, string(r))
		default:
			word.WriteRune(r)
		}
	}
	flush()
	return tokens
}
