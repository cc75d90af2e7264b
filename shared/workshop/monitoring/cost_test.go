package monitoring_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/course"
)

const costPage = "docs/cost.md"

// composeServices are the services of docker-compose.yml, as far as they cost something.
type composeServices map[string]struct {
	Profiles []string
	CPUs     float64
	Memory   string `yaml:"mem_limit"`
}

func readCompose(t *testing.T) composeServices {
	t.Helper()
	var compose struct{ Services composeServices }
	if err := yaml.Unmarshal([]byte(read(t, fromRoot(t, "docker-compose.yml"))), &compose); err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) < 10 {
		t.Fatalf("docker-compose.yml has only %d services", len(compose.Services))
	}
	return compose.Services
}

// priceTable has a row for each instance type.
func priceTable() string {
	var b strings.Builder
	b.WriteString("| type | CPU | memory | dollars an hour |\n| --- | --- | --- | --- |\n")
	for _, typ := range instance.Types() {
		fmt.Fprintf(&b, "| `%s` | %v | %d MiB | %.4f |\n", typ.Name, typ.CPU, typ.MemoryMiB, float64(typ.PriceMicros)/1e6)
	}
	return b.String()
}

// billTable has a row for each profile: the CPU quotas of its services, and their price.
func billTable(services composeServices) string {
	medium := instance.Medium()
	perCore := float64(medium.PriceMicros) / 1e6 / medium.CPU
	var b strings.Builder
	b.WriteString("| profile | web tier | data | the rest | cores | dollars an hour | the web tier's share |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, p := range course.Labs().Profiles() {
		web, data, rest := 0.0, 0.0, 0.0
		for name, service := range services {
			switch {
			case name == "mover" || !slices.Contains(service.Profiles, p.Name): // the mover ends after the move
			case name == "service" || strings.HasPrefix(name, "replica-"):
				web += service.CPUs
			case name == "postgres" || name == "userdata" || name == "redis" || name == "rabbitmq" || strings.HasPrefix(name, "shard-"):
				data += service.CPUs
			default:
				rest += service.CPUs
			}
		}
		all := web + data + rest
		fmt.Fprintf(&b, "| `%s` | %.2f | %.2f | %.2f | %.2f | %.4f | %.0f %% |\n", p.Name, web, data, rest, all, all*perCore, 100*web/all)
	}
	return b.String()
}

// TestCostPage compares the tables of docs/cost.md with the prices and with docker-compose.yml, or makes them with -update.
func TestCostPage(t *testing.T) {
	prices, err := instance.CurrentPrices()
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, fromRoot(t, costPage))
	want := page
	for _, table := range []string{priceTable(), billTable(readCompose(t))} {
		head, _, _ := strings.Cut(table, "\n")
		before, rest, found := strings.Cut(want, head+"\n")
		_, after, ended := strings.Cut(rest, "\n\n")
		if !found || !ended {
			t.Fatalf("%s has no table %s", costPage, head)
		}
		want = before + table + "\n" + after
	}
	if *update {
		if err := os.WriteFile(fromRoot(t, costPage), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if page != want {
		t.Errorf("%s has other prices or quotas than the files; run: go test ./shared/workshop/monitoring -update", costPage)
	}
	if !strings.Contains(page, "of "+prices.Date) {
		t.Errorf("%s does not say that the prices are of %s", costPage, prices.Date)
	}
}
