package plan_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/instance"
)

const good = `# the evening
replicas:
  type: b1.nano
  policy: {min: 3, desired: 5, max: 10}
catalogue: {type: b1.small}
shards: {type: b1.nano, count: 4}
workers:
  type: b1.micro
  count: 2
cache: {type: b1.nano, memory: 32MiB}
`

func TestParse(t *testing.T) {
	want := plan.Plan{
		Replicas:  plan.Replicas{Type: instance.Nano(), Policy: &plan.Policy{Min: 3, Desired: 5, Max: 10}},
		Catalogue: plan.Server{Type: instance.Small()},
		Shards:    plan.Servers{Type: instance.Nano(), Count: 4},
		Workers:   plan.Servers{Type: instance.Micro(), Count: 2},
		Cache:     plan.Cache{Type: instance.Nano(), MemoryMiB: 32},
	}
	got, err := plan.Parse([]byte(good))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	got, err = plan.Parse([]byte(strings.ReplaceAll(good, "\n", "\r\n")))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with the line ends of Windows: got %+v, %v\nwant %+v", got, err, want)
	}
}

// Each test changes one part of the good plan.
func TestMistakes(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"empty", good, "", `plan.yaml:1: no plan: want the keys replicas, catalogue, shards, workers and cache`},
		{"only a comment", good, "# later\n", `plan.yaml:1: no plan: want the keys replicas, catalogue, shards, workers and cache`},
		{"no mapping", good, "largest\n", `plan.yaml:1: the plan: "largest": want a mapping with replicas, catalogue, shards, workers or cache`},
		{"two documents", "# the evening\n", "---\na: 1\n---\n", "plan.yaml:3: a second document: want one plan"},
		{"a tab", "  type: b1.micro", "\ttype: b1.micro", "plan.yaml:8: no YAML: found character that cannot start any token"},
		{"an open brace", "{type: b1.small}", "{type: b1.small", "plan.yaml:5: no YAML: did not find expected ',' or '}'"},
		{"unknown part", "catalogue:", "catalog:", "plan.yaml:2: catalogue: missing\nplan.yaml:5: the plan: unknown key \"catalog\": want replicas, catalogue, shards, workers or cache"},
		{"unknown key", "count: 2", "count: 2\n  size: 3", `plan.yaml:10: workers: unknown key "size": want type or count`},
		{"a part twice", "workers:\n", "shards: {type: b1.nano, count: 1}\nworkers:\n", "plan.yaml:7: shards: there are two"},
		{"a key twice", "count: 2", "count: 2\n  count: 3", "plan.yaml:10: workers.count: there are two"},
		{"unknown type", "type: b1.small", "type: b1.huge", `plan.yaml:5: catalogue.type: "b1.huge": want b1.nano, b1.micro, b1.small or b1.medium`},
		{"a type that is a number", "type: b1.small", "type: 5", `plan.yaml:5: catalogue.type: "5": want b1.nano, b1.micro, b1.small or b1.medium`},
		{"a type without a value", "type: b1.small", "type: ", `plan.yaml:5: catalogue.type: no value: want b1.nano, b1.micro, b1.small or b1.medium`},
		{"a part without a value", "{type: b1.small}", "", `plan.yaml:5: catalogue: no value: want a mapping with type`},
		{"a list", "{type: b1.small}", "[b1.small]", `plan.yaml:5: catalogue: a list: want a mapping with type`},
		{"an alias", "catalogue: {type: b1.small}\nshards: {type: b1.nano, count: 4}", "catalogue: &a {type: b1.small}\nshards: *a", `plan.yaml:6: shards: an alias: want a mapping with type or count`},
		{"a merge", "count: 2", "count: 2\n  <<: {}", `plan.yaml:10: workers: unknown key "<<": want type or count`},
		{"a count in words", "count: 2", "count: two", `plan.yaml:9: workers.count: "two": want a whole number from 1 to 8`},
		{"a count in quotes", "count: 2", `count: "2"`, `plan.yaml:9: workers.count: "2": want a whole number from 1 to 8`},
		{"half a worker", "count: 2", "count: 1.5", `plan.yaml:9: workers.count: "1.5": want a whole number from 1 to 8`},
		{"a hexadecimal count", "count: 2", "count: 0x2", `plan.yaml:9: workers.count: "0x2": want a whole number from 1 to 8`},
		{"no worker", "count: 2", "count: 0", `plan.yaml:9: workers.count: "0": want a whole number from 1 to 8`},
		{"too many workers", "count: 2", "count: 9", `plan.yaml:9: workers.count: "9": want a whole number from 1 to 8`},
		{"an overflow", "count: 2", "count: 99999999999999999999", `plan.yaml:9: workers.count: "99999999999999999999": want a whole number from 1 to 8`},
		{"five shards", "count: 4", "count: 5", `plan.yaml:6: shards.count: "5": want a whole number from 1 to 4`},
		{"eleven replicas", "max: 10", "max: 11", `plan.yaml:4: replicas.policy.max: "11": want a whole number from 1 to 10`},
		{"no maximum", ", max: 10", "", `plan.yaml:4: replicas.policy.max: missing`},
		{"a policy upside down", "min: 3", "min: 6", `plan.yaml:4: replicas.policy: min 6, desired 5, max 10: want them in ascending order`},
		{"count and policy", "  policy:", "  count: 5\n  policy:", `plan.yaml:5: replicas: count and policy: want one of them`},
		{"neither count nor policy", "  policy: {min: 3, desired: 5, max: 10}\n", "", `plan.yaml:3: replicas: missing count or policy`},
		{"memory without a unit", "32MiB", "32", `plan.yaml:10: cache.memory: "32": want a size such as 32MiB`},
		{"memory with another unit", "32MiB", "32MB", `plan.yaml:10: cache.memory: "32MB": want a size such as 32MiB`},
		{"no memory", "32MiB", "0MiB", `plan.yaml:10: cache.memory: "0MiB": want a size such as 32MiB`},
		{"memory that the type lacks", "32MiB", "257MiB", `plan.yaml:10: cache.memory: 257MiB: b1.nano has 256MiB`},
		{"a long value", "32MiB", strings.Repeat("9", 60), `plan.yaml:10: cache.memory: "` + strings.Repeat("9", 40) + `...": want a size such as 32MiB`},
		{"a long file", "# the evening", "#" + strings.Repeat("x", 64<<10), "plan.yaml:1: 65741 bytes: want at most 65536"},
		{"three at once", "type: b1.micro\n  count: 2\ncache: {type: b1.nano, memory", "type: micro\n  count: 20\ncache: {type: b1.nano, size",
			"plan.yaml:8: workers.type: \"micro\": want b1.nano, b1.micro, b1.small or b1.medium\n" +
				"plan.yaml:9: workers.count: \"20\": want a whole number from 1 to 8\n" +
				"plan.yaml:10: cache: unknown key \"size\": want type or memory\n" +
				"plan.yaml:10: cache.memory: missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(good, test.old, test.new, 1)
			if text == good {
				t.Fatal("the test changes nothing")
			}
			p, err := plan.Parse([]byte(text))
			if err == nil {
				t.Fatalf("accepted: %+v", p)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
			if !reflect.DeepEqual(p, plan.Plan{}) {
				t.Errorf("a plan beside the error: %+v", p)
			}
			var mistake plan.Mistake
			if !errors.As(err, &mistake) || mistake.Line < 1 {
				t.Errorf("no Mistake with a line in %#v", err)
			}
		})
	}
}

// FuzzParse demands that Parse never panics, and accepts only plans within the limits.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		good, "", "---\n", "a: &a [*a]", "? {a: b}\n: c", "<<: *x", "replicas: {type: !!int b1.nano, count: !!str 3}", "\x00", "!!binary x",
		"replicas: {type: b1.nano, count: 3}\ncatalogue: {type: b1.nano}\nshards: {type: b1.nano, count: 1}\nworkers: {type: b1.nano, count: 1}\ncache: {type: b1.nano, memory: 1MiB}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := plan.Parse(text)
		if err != nil {
			if !reflect.DeepEqual(p, plan.Plan{}) {
				t.Errorf("a plan beside the error: %+v", p)
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "plan.yaml:") {
					t.Errorf("a line without a place: %q", line)
				}
			}
			return
		}
		for _, typ := range []instance.Type{p.Replicas.Type, p.Catalogue.Type, p.Shards.Type, p.Workers.Type, p.Cache.Type} {
			if known, err := instance.ByName(typ.Name); err != nil || known != typ {
				t.Errorf("accepted the type %+v", typ)
			}
		}
		r := p.Replicas
		if (r.Policy == nil) == (r.Count == 0) {
			t.Errorf("accepted count %d and policy %v", r.Count, r.Policy)
		}
		within := func(what string, n, most int) {
			if n < 1 || n > most {
				t.Errorf("accepted %d %s", n, what)
			}
		}
		within("replicas", r.Fewest(), r.First())
		within("replicas", r.First(), r.Most())
		within("replicas", r.Most(), plan.MostReplicas)
		within("shards", p.Shards.Count, plan.MostShards)
		within("workers", p.Workers.Count, plan.MostWorkers)
		within("MiB", p.Cache.MemoryMiB, p.Cache.Type.MemoryMiB)
	})
}

func TestPrice(t *testing.T) {
	p, err := plan.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	nano, micro, small := float64(instance.Nano().PriceMicros)/1e6, float64(instance.Micro().PriceMicros)/1e6, float64(instance.Small().PriceMicros)/1e6
	others := 3 * (small + 4*nano + 2*micro + nano + micro + small + nano) // catalogue to relay
	for _, test := range []struct {
		what      string
		got, want float64
	}{
		{"15 replica-hours", p.Price(3*time.Hour, 15), 15*nano + others},
		{"no replica", p.Price(3*time.Hour, 0), others},
		{"no time", p.Price(0, 0), 0},
		{"all ten for three hours", p.PriceAtMost(3 * time.Hour), 30*nano + others},
	} {
		if math.Abs(test.got-test.want) > 1e-12 {
			t.Errorf("%s: %v dollars, want %v", test.what, test.got, test.want)
		}
	}
}
