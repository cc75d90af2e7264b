package service

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// TestOutboxBringsItsTables: a composition has the tables of the outbox and its stores, or
// neither. The server of the test is down, so a store that sends a statement reports that.
func TestOutboxBringsItsTables(t *testing.T) {
	first := SchemaChange{Name: "first", SQL: "SELECT 1"}
	tables := SchemaChange{Name: "outbox", SQL: outbox.Schema}
	for _, test := range []struct {
		name      string
		installed bool
		want      []SchemaChange
	}{
		{"without", false, []SchemaChange{first}},
		{"with", true, []SchemaChange{first, tables}},
	} {
		t.Run(test.name, func(t *testing.T) {
			db, err := postgres.OpenLater("postgres://bytebites:secret@127.0.0.1:1/bytebites?connect_timeout=1", postgres.PoolConfig{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c := Baseline()
			c.SchemaChanges = []SchemaChange{first}
			c.Outbox = test.installed
			r := Resources{UserData: db, changes: c.schemaChanges(), outbox: c.Outbox}
			if !slices.Equal(r.changes, test.want) || !slices.Equal(c.SchemaChanges, []SchemaChange{first}) {
				t.Errorf("schema changes %+v, want %+v", r.changes, test.want)
			}
			stores, err := c.UserData(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			event := bytebites.Event{
				ID: outbox.NewID(bytebites.TopicRecommendationRequest, "o1"), Topic: bytebites.TopicRecommendationRequest,
				User: "u1", Order: "o1", At: time.Unix(1, 0),
			}
			added := stores.Outbox.Add(t.Context(), event.User, event)
			claimed, claiming := stores.Claims.Claim(t.Context(), event.User, event.Order, bytebites.EffectEmail, time.Second)
			released := stores.Claims.Release(t.Context(), event.User, event.Order, bytebites.EffectEmail)
			for call, err := range map[string]error{"add": added, "claim": claiming, "release": released} {
				if err == nil || errors.Is(err, errNoOutbox) == test.installed {
					t.Errorf("%s: %v", call, err)
				}
			}
			if claimed {
				t.Error("the effect was claimed")
			}
		})
	}
}
