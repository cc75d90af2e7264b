package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"bytebites.example/workshop/shared/instance"
)

// Mistake is a mistake in plan.yaml.
type Mistake struct {
	Line int // from 1
	Text string
}

// Error returns the mistake with its place: "plan.yaml:7: shards.count: 9: want 1 to 4".
func (m Mistake) Error() string { return fmt.Sprintf("%s:%d: %s", File, m.Line, m.Text) }

// mostBytes bounds the text. A plan has 20 lines.
const mostBytes = 64 << 10

// Parse reads a plan. It accepts only the known keys, each once, with values of the right type and
// within the limits. The error joins all mistakes in the order of their lines, each a Mistake.
func Parse(text []byte) (Plan, error) {
	if len(text) > mostBytes {
		return Plan{}, Mistake{1, fmt.Sprintf("%d bytes: want at most %d", len(text), mostBytes)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return Plan{}, Mistake{1, "no plan: want the keys replicas, catalogue, shards, workers and cache"}
	case err != nil:
		return Plan{}, syntax(err)
	}
	var more yaml.Node
	switch err := decoder.Decode(&more); {
	case err == nil:
		return Plan{}, Mistake{more.Line, "a second document: want one plan"}
	case !errors.Is(err, io.EOF):
		return Plan{}, syntax(err)
	}
	var r reader
	p := r.plan(document.Content[0])
	if len(r.mistakes) == 0 {
		return p, nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	errs := make([]error, len(r.mistakes))
	for i, m := range r.mistakes {
		errs[i] = m
	}
	return Plan{}, errors.Join(errs...)
}

// yamlLine matches the line in an error of the YAML library.
var yamlLine = regexp.MustCompile(`^line (\d+): `)

// parserError matches the errors for which the library counts lines from 0. It counts from 1 in all
// others.
var parserError = regexp.MustCompile(`did not find expected (<document start>|node content|key|'-' indicator|',' or '[]}]')`)

// syntax returns the mistake that the YAML library found.
func syntax(err error) error {
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1 // the library leaves out the line of some mistakes
	if match := yamlLine.FindStringSubmatch(said); match != nil {
		line, _ = strconv.Atoi(match[1]) // only digits
		said = said[len(match[0]):]
		if parserError.MatchString(said) {
			line++
		}
	}
	return Mistake{line, "no YAML: " + said}
}

// reader collects the mistakes of one document.
type reader struct{ mistakes []Mistake }

func (r *reader) mistakef(line int, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{line, fmt.Sprintf(format, args...)})
}

// fields are the values of a mapping, by key. A missing key is not in it.
type fields map[string]*yaml.Node

// mapping returns the fields of a node. It reports unknown keys, keys that come twice and required
// keys that are missing.
func (r *reader) mapping(node *yaml.Node, path string, required, optional []string) fields {
	if node.Kind != yaml.MappingNode {
		r.mistakef(node.Line, "%s: %s: want a mapping with %s", name(path), shown(node), words(append(slices.Clone(required), optional...)))
		return nil
	}
	found := fields{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		known := slices.Contains(required, key.Value) || slices.Contains(optional, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || !known:
			r.mistakef(key.Line, "%s: unknown key %s: want %s", name(path), shown(key), words(append(slices.Clone(required), optional...)))
		case found[key.Value] != nil:
			r.mistakef(key.Line, "%s: there are two", join(path, key.Value))
		default:
			found[key.Value] = value
		}
	}
	for _, key := range required {
		if found[key] == nil {
			r.mistakef(node.Line, "%s: missing", join(path, key))
		}
	}
	return found
}

func (r *reader) plan(node *yaml.Node) Plan {
	found := r.mapping(node, "", []string{"replicas", "catalogue", "shards", "workers", "cache"}, nil)
	var p Plan
	if n := found["replicas"]; n != nil {
		p.Replicas = r.replicas(n)
	}
	if n := found["catalogue"]; n != nil {
		p.Catalogue.Type = r.instanceType(r.mapping(n, "catalogue", []string{"type"}, nil), "catalogue")
	}
	if n := found["shards"]; n != nil {
		p.Shards = r.servers(n, "shards", MostShards)
	}
	if n := found["workers"]; n != nil {
		p.Workers = r.servers(n, "workers", MostWorkers)
	}
	if n := found["cache"]; n != nil {
		p.Cache = r.cache(n)
	}
	return p
}

func (r *reader) replicas(node *yaml.Node) Replicas {
	found := r.mapping(node, "replicas", []string{"type"}, []string{"count", "policy"})
	if found == nil {
		return Replicas{}
	}
	replicas := Replicas{Type: r.instanceType(found, "replicas")}
	count, policy := found["count"], found["policy"]
	switch {
	case count == nil && policy == nil:
		r.mistakef(node.Line, "replicas: missing count or policy")
	case count != nil && policy != nil:
		r.mistakef(max(count.Line, policy.Line), "replicas: count and policy: want one of them")
	case count != nil:
		replicas.Count = r.number(found, "replicas", "count", MostReplicas)
	default:
		replicas.Policy = r.policy(policy)
	}
	return replicas
}

func (r *reader) policy(node *yaml.Node) *Policy {
	const path = "replicas.policy"
	found := r.mapping(node, path, []string{"min", "desired", "max"}, nil)
	if found == nil {
		return nil
	}
	p := Policy{
		Min:     r.number(found, path, "min", MostReplicas),
		Desired: r.number(found, path, "desired", MostReplicas),
		Max:     r.number(found, path, "max", MostReplicas),
	}
	if p.Min > 0 && p.Desired > 0 && p.Max > 0 && (p.Min > p.Desired || p.Desired > p.Max) {
		r.mistakef(node.Line, "%s: min %d, desired %d, max %d: want them in ascending order", path, p.Min, p.Desired, p.Max)
	}
	return &p
}

func (r *reader) servers(node *yaml.Node, path string, most int) Servers {
	found := r.mapping(node, path, []string{"type", "count"}, nil)
	return Servers{Type: r.instanceType(found, path), Count: r.number(found, path, "count", most)}
}

func (r *reader) cache(node *yaml.Node) Cache {
	found := r.mapping(node, "cache", []string{"type", "memory"}, nil)
	c := Cache{Type: r.instanceType(found, "cache"), MemoryMiB: r.memory(found)}
	if c.Type.Name != "" && c.MemoryMiB > c.Type.MemoryMiB {
		r.mistakef(found["memory"].Line, "cache.memory: %dMiB: %s has %dMiB", c.MemoryMiB, c.Type.Name, c.Type.MemoryMiB)
	}
	return c
}

// instanceType returns the type that the field type names, or the zero type.
func (r *reader) instanceType(found fields, path string) instance.Type {
	node := found["type"]
	if node == nil {
		return instance.Type{} // mapping has reported it
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str" {
		if t, err := instance.ByName(node.Value); err == nil {
			return t
		}
	}
	names := make([]string, 0, len(instance.Types()))
	for _, t := range instance.Types() {
		names = append(names, t.Name)
	}
	r.mistakef(node.Line, "%s: %s: want %s", join(path, "type"), shown(node), words(names))
	return instance.Type{}
}

// number returns a whole number from 1 to most, or 0.
func (r *reader) number(found fields, path, key string, most int) int {
	node := found[key]
	if node == nil {
		return 0 // mapping has reported it
	}
	n, err := 0, error(nil)
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" {
		err = errors.New("no whole number")
	} else {
		n, err = strconv.Atoi(node.Value)
	}
	if err != nil || n < 1 || n > most {
		r.mistakef(node.Line, "%s: %s: want a whole number from 1 to %d", join(path, key), shown(node), most)
		return 0
	}
	return n
}

// memoryText matches a size of memory, in MiB.
var memoryText = regexp.MustCompile(`^([1-9][0-9]{0,5})MiB$`)

// memory returns the field memory in MiB, or 0.
func (r *reader) memory(found fields) int {
	node := found["memory"]
	if node == nil {
		return 0 // mapping has reported it
	}
	if match := memoryText.FindStringSubmatch(node.Value); node.Kind == yaml.ScalarNode && match != nil {
		mib, _ := strconv.Atoi(match[1]) // at most six digits
		return mib
	}
	r.mistakef(node.Line, "cache.memory: %s: want a size such as 32MiB", shown(node))
	return 0
}

// shown returns a node as a message shows it.
func shown(node *yaml.Node) string {
	const most = 40 // characters of a value
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if node.ShortTag() == "!!null" {
		return "no value"
	}
	if text := []rune(node.Value); len(text) > most {
		return strconv.Quote(string(text[:most]) + "...")
	}
	return strconv.Quote(node.Value)
}

// name returns the path as a message shows it.
func name(path string) string {
	if path == "" {
		return "the plan"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// words lists alternatives.
func words(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}
