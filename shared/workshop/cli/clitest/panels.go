package clitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/monitoring"
)

// panelsTimeout bounds the wait until every panel shows a number, on a machine of normal speed.
const panelsTimeout = time.Minute

// panels waits until the monitoring of a stack is complete:
//   - Every target is up, and each of the given servers has one.
//   - No rule fails.
//   - The metrics of all rules and panels exist, as far as they come from the given servers.
//   - Each panel of the given servers shows a number.
//
// While it waits, it orders at the storefront in the session of `order`.
func (s servers) panels(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: panels PROMETHEUS STOREFRONT SERVER...")
	}
	p := prometheusAPI{s.ctx, args[0]}
	store, running := args[1], append([]string{"prometheus", "engine-stats"}, args[2:]...)
	lines := map[string]any{"lines": []any{map[string]any{"meal_id": "m0002", "quantity": 1}}}
	s.within(ts, hostspeed.Wait(panelsTimeout), func(ctx context.Context) error {
		if _, err := ask(ctx, http.MethodGet, store+"/meals", "", nil); err != nil {
			return err
		}
		ordered, err := ask(ctx, http.MethodPost, store+"/orders", ts.Getenv("SESSION"), lines)
		if err != nil {
			return err
		}
		if ordered.code != http.StatusCreated {
			return fmt.Errorf("order at %s: status %s", store, ordered.status)
		}
		p.ctx = ctx
		return errors.Join(p.targets(running), p.rules(running), p.panels(running))
	})
	page, err := ask(s.ctx, http.MethodGet, args[0]+"/consoles/bytebites.html", "", nil)
	ts.Check(err)
	if got, want := strings.Count(string(page.body), `<div class="panel"`), len(monitoring.Panels()); page.code != http.StatusOK || got != want {
		ts.Fatalf("the console page: %s, %d panels, want %d\n%s", page.status, got, want, page.body)
	}
}

// prometheusAPI asks a Prometheus.
type prometheusAPI struct {
	ctx  context.Context
	base string
}

func (p prometheusAPI) get(path string, into any) error {
	a, err := ask(p.ctx, http.MethodGet, p.base+"/api/v1/"+path, "", nil)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return fmt.Errorf("ask Prometheus for %s: %w: %s", path, err, a.body)
	}
	if answer.Status != "success" {
		return fmt.Errorf("ask Prometheus for %s: %s", path, answer.Error)
	}
	return nil
}

// jobs are the jobs of prometheus.yml by a server that each one watches.
func jobs() map[string]string {
	return map[string]string{
		"prometheus": "prometheus", "engine-stats": "engine", "alertmanager": "alertmanager", "postgres": "postgres",
		"service": "service", "replica-1": "service", "relay": "roles", "redis": "redis", "nginx": "nginx", "rabbitmq": "rabbitmq",
	}
}

// targets returns an error for a target that is not up, and for a server without one.
func (p prometheusAPI) targets(running []string) error {
	var data struct {
		Active []struct {
			Labels                       map[string]string
			Health, LastError, ScrapeURL string
		} `json:"activeTargets"`
	}
	if err := p.get("targets?state=active", &data); err != nil {
		return err
	}
	var errs []error
	up := make(map[string]bool)
	for _, target := range data.Active {
		if target.Health != "up" {
			errs = append(errs, fmt.Errorf("target %s of job %s is %s: %s", target.ScrapeURL, target.Labels["job"], target.Health, target.LastError))
		}
		up[target.Labels["job"]] = true
	}
	for _, server := range running {
		if job := jobs()[server]; job != "" && !up[job] {
			errs = append(errs, fmt.Errorf("job %s has no target, and %s runs", job, server))
		}
	}
	return errors.Join(errs...)
}

// rules returns an error for a rule that fails, and for a metric that does not exist though its server runs.
func (p prometheusAPI) rules(running []string) error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Query, Health, LastError string }
		}
	}
	var exported []string
	if err := errors.Join(p.get("rules", &data), p.get("label/__name__/values", &exported)); err != nil {
		return err
	}
	queries := make(map[string]string)
	for _, panel := range monitoring.Panels() {
		queries["panel "+panel.Title] = panel.Query
	}
	var errs []error
	seen := 0
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			seen++
			if rule.Health != "ok" {
				errs = append(errs, fmt.Errorf("rule %s is %s: %s", rule.Name, rule.Health, rule.LastError))
			}
			queries["rule "+rule.Name] = rule.Query
		}
	}
	if seen == 0 {
		errs = append(errs, errors.New("no rules"))
	}
	for name, query := range queries {
		for _, metric := range monitoring.MetricNames(query) {
			home := monitoring.Home(metric)
			if len(home) > 0 && monitoring.Exists(home, running) && !slices.Contains(exported, metric) {
				errs = append(errs, fmt.Errorf("%s: no target exports %s", name, metric))
			}
		}
	}
	return errors.Join(errs...)
}

// panels returns an error for a panel of a running server without a number.
func (p prometheusAPI) panels(running []string) error {
	var errs []error
	for _, panel := range monitoring.Panels() {
		if !monitoring.Exists(panel.Servers, running) {
			continue
		}
		var data struct {
			Result []struct{ Value [2]any }
		}
		if err := p.get("query?query="+url.QueryEscape(panel.Query), &data); err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.ContainsFunc(data.Result, func(line struct{ Value [2]any }) bool {
			text, _ := line.Value[1].(string)
			number, err := strconv.ParseFloat(text, 64)
			return err == nil && !math.IsNaN(number) && !math.IsInf(number, 0)
		}) {
			errs = append(errs, fmt.Errorf("panel %s shows no number: %v", panel.Title, data.Result))
		}
	}
	return errors.Join(errs...)
}
