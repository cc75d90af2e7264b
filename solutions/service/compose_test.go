package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/course"
)

// marked returns an entry that leaves its mark among the schema changes.
func marked(by string) func(*service.Composition) {
	return func(c *service.Composition) {
		c.SchemaChanges = append(c.SchemaChanges, service.SchemaChange{Name: by})
	}
}

func TestCompose(t *testing.T) {
	made := []solution{{0, marked("a")}, {1, marked("b")}, {3, marked("d")}}
	wrong := map[string]func(*service.Composition){"no-lock": marked("X"), "no-key": marked("Y")}
	for _, test := range []struct {
		through, variant string
		want             string
		err              string
	}{
		{want: ""},
		{through: "00", want: "a"},
		{through: "01", want: "ab"},
		{through: "3", want: "abd"},
		{through: "03", variant: "no-lock", want: "abdX"},
		{variant: "no-key", want: "Y"},
		{through: "02", err: "--through 02: there are solutions of 00, 01, 03"},
		{through: "-1", err: "--through -1"},
		{through: "one", err: "--through one"},
		{through: "00", variant: "other", err: "--variant other: there are no-key, no-lock"},
	} {
		t.Run(test.through+" "+test.variant, func(t *testing.T) {
			c, err := compose(made, wrong, test.through, test.variant)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want an error with %q", err, test.err)
				}
				return
			}
			got := ""
			for _, change := range c.SchemaChanges {
				got += change.Name
			}
			if err != nil || got != test.want {
				t.Fatalf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestSolutionsAreInOrder(t *testing.T) {
	last := -1
	for _, s := range solutions() {
		if s.number <= last {
			t.Errorf("lab %02d comes after lab %02d", s.number, last)
		}
		last = s.number
	}
}

// The service must not carry workshop code, so its list of labs is its own.
func TestSolutionsAreTheCourses(t *testing.T) {
	var got, want []int
	for _, s := range solutions() {
		got = append(got, s.number)
	}
	for _, l := range course.Labs() {
		want = append(want, l.Number)
	}
	if !slices.Equal(got, want) {
		t.Errorf("solutions of the labs %v, the course has %v", got, want)
	}
}

func TestEmptyTablesSaySo(t *testing.T) {
	_, err := compose(nil, nil, "00", "")
	if err == nil || !strings.Contains(err.Error(), "none yet") {
		t.Errorf("got %v, want none yet", err)
	}
}

func TestNoTwoVariantsShareAName(t *testing.T) {
	seen := make(map[string]bool)
	for _, ofLab := range wrongAnswers() {
		for name := range ofLab {
			if seen[name] {
				t.Errorf("two labs have a variant %s", name)
			}
			seen[name] = true
		}
	}
}

// A variant is applied to the solutions; one that needs what they have not changed must
// not bring the service down.
func TestVariantsStandAlone(t *testing.T) {
	for name := range variants() {
		if _, err := compose(solutions(), variants(), "", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServiceCarriesNoChecks: neither this service nor that of a lab imports, however
// indirectly, the test bed, the measurements or the course tool.
func TestServiceCarriesNoChecks(t *testing.T) {
	services, err := filepath.Glob("../../labs/*/service")
	if err != nil || len(services) == 0 {
		t.Fatalf("found the services %v of labs: %v", services, err)
	}
	for _, service := range append(services, ".") {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
		list.Dir = service
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list in %s: %v", service, err)
		}
		packages := strings.Fields(string(out))
		if !slices.Contains(packages, "bytebites.example/workshop/shared/bytebites/service") {
			t.Fatalf("go list in %s did not find what there is: %v", service, packages)
		}
		for _, p := range packages {
			for _, banned := range []string{"workshop/shared/workshop", "workshop/shared/measure", "workshop/shared/testbed", "testcontainers"} {
				if strings.Contains(p, banned) {
					t.Errorf("the service in %s imports %s", service, p)
				}
			}
		}
	}
}
