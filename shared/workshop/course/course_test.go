package course_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

func toy() course.Lab {
	return course.Lab{
		Number: 90, Name: "90-toy", Title: "toy", Summary: "a toy", Minutes: 5,
		Steps: []course.Step{{Number: 1, Name: "play", Minutes: 5, Places: []string{"play.go"}}}, Files: []string{"play.go"},
	}
}

func TestValidate(t *testing.T) {
	if err := course.Labs().Validate(); err != nil {
		t.Error(err)
	}
	if err := append(course.Labs(), toy()).Validate(); err != nil {
		t.Errorf("with a toy: %v", err)
	}
	tests := []struct {
		name  string
		spoil func(*course.Lab)
		want  string
	}{
		{"number of another", func(l *course.Lab) { l.Number, l.Name = 7, "07-toy" }, "number 7 comes after 7"},
		{"name without its number", func(l *course.Lab) { l.Name = "91-toy" }, "does not begin with the number 90"},
		{"name of no folder", func(l *course.Lab) { l.Name = "90 toy" }, "does not begin with the number 90"},
		{"no title", func(l *course.Lab) { l.Title = "" }, "one is missing"},
		{"no summary", func(l *course.Lab) { l.Summary = "" }, "one is missing"},
		{"no minutes", func(l *course.Lab) { l.Minutes = 0 }, "one is missing"},
		{"no steps", func(l *course.Lab) { l.Steps = nil }, "one is missing"},
		{"no files", func(l *course.Lab) { l.Files = nil }, "one is missing"},
		{"steps from 0", func(l *course.Lab) { l.Steps[0].Number = 0 }, "numbered from 1"},
		{"a step without minutes", func(l *course.Lab) { l.Steps[0].Minutes = 0 }, "no minutes or no places"},
		{"a step without places", func(l *course.Lab) { l.Steps[0].Places = nil }, "no minutes or no places"},
		{"steps longer than the lab", func(l *course.Lab) { l.Steps[0].Minutes = 6 }, "of which the steps take 6"},
		{"a file twice", func(l *course.Lab) { l.Files = append(l.Files, "play.go") }, "listed twice"},
		{"no profile instead", func(l *course.Lab) { l.Profiles = []course.Profile{{Name: "toy", Use: "the toy", Instead: "lunch"}} }, "no earlier profile"},
		{"profile of another", func(l *course.Lab) { l.Profiles = []course.Profile{{Name: "cache"}} }, `profile "cache"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := toy()
			tt.spoil(&l)
			if err := append(course.Labs(), l).Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLabsAreAValue(t *testing.T) {
	spoilt := course.Labs()
	spoilt[0].Files[0], spoilt[2].Profiles[0].Servers[0].Service = "x", "x"
	if again := course.Labs(); again[0].Files[0] == "x" || again[2].Profiles[0].Servers[0].Service == "x" {
		t.Error("a change to what Labs returned shows in what it returns next")
	}
	text, err := json.Marshal(course.Labs())
	if err != nil {
		t.Fatal(err)
	}
	var read course.Course
	if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(read, course.Labs()) {
		t.Errorf("read back from JSON: %v, %+v", err, read)
	}
}

func TestLabIs(t *testing.T) {
	l, ok := course.Labs().Named("00-baseline")
	if !ok {
		t.Fatal("there is no 00-baseline")
	}
	for name, want := range map[string]bool{"0": true, "00": true, "00-baseline": true, "1": false, "": false, "baseline": false, "../00-baseline": false} {
		if l.Is(name) != want {
			t.Errorf("Is(%q) = %t, want %t", name, !want, want)
		}
	}
	if _, ok := course.Labs().Named("00"); ok {
		t.Error("Named takes a number for a folder's name")
	}
}

func TestImagesAndDatasets(t *testing.T) {
	labs := course.Labs()
	for number, want := range map[int][]images.Name{
		0:  {images.Postgres, images.Static},
		1:  {images.Postgres, images.Static},
		2:  {images.Postgres, images.Static, images.Nginx},
		4:  {images.Postgres, images.Static, images.Nginx, images.Redis, images.Toxiproxy},
		90: {images.Postgres, images.Static, images.Nginx, images.Redis, images.Toxiproxy, images.RabbitMQ},
	} {
		if got := labs.UpTo(number).Images(); !slices.Equal(got, want) {
			t.Errorf("labs up to %d use %v, want %v", number, got, want)
		}
	}
	if got, want := labs.ServerImages(), []images.Name{images.Postgres, images.Static, images.Nginx, images.Redis, images.RabbitMQ}; !slices.Equal(got, want) {
		t.Errorf("the servers use %v, want %v", got, want)
	}
	if got, want := labs.Datasets(), []seed.Size{seed.Full(), seed.Growing(), seed.Early()}; !slices.Equal(got, want) {
		t.Errorf("datasets %v, want %v", got, want)
	}
	for _, l := range labs {
		timed, untimed := seed.Full(), seed.Growing()
		switch {
		case l.Number == 7:
			untimed = seed.Full() // the shards of a plan are divided for one size
		case l.Number >= 4:
			timed, untimed = seed.Early(), seed.Early()
		}
		for isTimed, want := range map[bool]seed.Size{true: timed, false: untimed} {
			if got := l.Sizes(isTimed); !slices.Equal(got, []seed.Size{want}) {
				t.Errorf("a run of lab %s, timed %t, starts %v, want %v", l.ID(), isTimed, got, want)
			}
		}
	}
	if got := append(labs, toy())[len(labs)].Sizes(true); len(got) != 0 {
		t.Errorf("a lab without a database starts %v", got)
	}
}

func TestServers(t *testing.T) {
	replicas, cached := []string{"horizontal", "cache", "sharding", "queue"}, []string{"cache", "sharding", "queue"}
	for service, want := range map[string][]string{
		"service": {"baseline"}, "prometheus": {"monitoring"}, "engine-stats": {"monitoring"}, "nginx": replicas, "redis": cached, "rabbitmq": {"queue"},
		"mailsink": append([]string{"baseline"}, replicas...), "shard-1": {"sharding"}, "mysql": nil,
	} {
		if got := course.Labs().ProfilesWith(service); !slices.Equal(got, want) {
			t.Errorf("%s comes with %v, want %v", service, got, want)
		}
	}
	if got, want := course.Labs().Secrets(), []string{"POSTGRES_PASSWORD", "STAFF_TOKEN", "PAYMENT_SECRET", "MONITOR_PASSWORD", "BROKER_PASSWORD"}; !slices.Equal(got, want) {
		t.Errorf("secrets %v, want %v", got, want)
	}
}

// text reads a file of the module.
func text(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func root(t *testing.T) string {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestReadmeHasTheTable(t *testing.T) {
	want := course.ReadmeTable(course.Labs(), course.Planned())
	if !strings.Contains(text(t, "README.md"), "\n\n"+want+"\n") {
		t.Errorf("README.md: the table of labs is not the course's:\n%s", want)
	}
}

func TestBudgetHasTheRows(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| \d\d .*\n`).FindAllString(text(t, "docs/budget.md"), -1)
	if got, want := strings.Join(rows, ""), course.Labs().BudgetRows(); got != want {
		t.Errorf("docs/budget.md has the rows\n%s\nthe course's are\n%s", got, want)
	}
}

// Every lab with a lesson has an entry, and every entry has its two folders.
func TestFoldersAreTheCourses(t *testing.T) {
	for _, side := range []struct{ folder, file string }{{"labs", "README.md"}, {"solutions", "WHY.md"}} {
		found, err := filepath.Glob(filepath.Join(root(t), side.folder, "[0-9][0-9]-*", side.file))
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, file := range found {
			got = append(got, filepath.Base(filepath.Dir(file)))
		}
		for _, l := range course.Labs() {
			want = append(want, l.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has the labs %v, the course %v", side.folder, got, want)
		}
	}
}

// The learner's files are those that carry the lab's mark, and no others.
func TestFilesCarryTheMark(t *testing.T) {
	for _, l := range course.Labs() {
		starter := os.DirFS(filepath.Join(root(t), filepath.FromSlash(l.Dir())))
		todos, err := lab.Todos(starter, l.Name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, todo := range todos {
			file, _, _ := strings.Cut(todo, ":")
			given := path.Ext(file) == ".md" || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "spec/")
			if !given && !slices.Contains(got, file) {
				got = append(got, file)
			}
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(l.Files)); !slices.Equal(got, want) {
			t.Errorf("lab %s: %v carry the mark, the course lists %v", l.Name, got, want)
		}
	}
}

func TestLessonsShowTheFacts(t *testing.T) {
	for _, l := range course.Labs() {
		lesson := text(t, path.Join(l.Dir(), "README.md"))
		for _, want := range append([]string{"# " + l.Heading() + "\n", l.Time()}, l.Files...) {
			if !strings.Contains(lesson, want) {
				t.Errorf("%s/README.md does not say %q", l.Dir(), want)
			}
		}
	}
}

// A service of docker-compose.yml is listed with the profiles that start it there.
func TestServersAreThoseOfCompose(t *testing.T) {
	compose := text(t, "docker-compose.yml")
	_, services, _ := strings.Cut(compose, "\nservices:\n")
	for _, s := range course.Labs().Servers() {
		at := regexp.MustCompile(`(?m)^  ` + s.Service + `:(.*\n(?:    .*\n|\n)*)`).FindStringSubmatch(services)
		if at == nil {
			t.Errorf("docker-compose.yml has no service %s", s.Service)
			continue
		}
		body := at[1]
		if merged := regexp.MustCompile(`^\s*(?:<<: )?\*([a-z-]+)`).FindStringSubmatch(body); merged != nil {
			anchor := regexp.MustCompile(`(?m)^x-\S+: &` + merged[1] + `\n((?:  .*\n)*)`).FindStringSubmatch(compose)
			if anchor == nil {
				t.Fatalf("docker-compose.yml has no anchor %s", merged[1])
			}
			body += anchor[1]
		}
		var got []string
		if list := regexp.MustCompile(`profiles: \[(.*)\]`).FindStringSubmatch(body); list != nil {
			for name := range strings.SplitSeq(list[1], ",") {
				got = append(got, strings.Trim(name, ` "`))
			}
		}
		if !slices.Equal(got, s.Profiles) {
			t.Errorf("%s: docker-compose.yml starts it with %v, the course with %v", s.Service, got, s.Profiles)
		}
		if !strings.Contains(body, "${"+s.ImageVariable) {
			t.Errorf("%s: docker-compose.yml does not take its image from %s", s.Service, s.ImageVariable)
		}
		for _, p := range s.Ports {
			if !strings.Contains(body, "${"+p.Variable+":-"+p.Standard+"}") {
				t.Errorf("%s: docker-compose.yml does not publish %s, %s", s.Service, p.Variable, p.Standard)
			}
		}
	}
}
