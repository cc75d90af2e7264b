// Package wrong is plausible wrong answers to lab 00, those that a service carries. Like
// the solution it imports nothing that checks a lab; which check must reject which answer
// is in the solution's test.
package wrong

import (
	_ "embed"

	"bytebites.example/workshop/shared/bytebites/service"
)

// PlacedAtFirst is the variant whose index has its columns the wrong way round.
const PlacedAtFirst = "placed-at-first"

//go:embed placed_at_first.sql
var placedAtFirstSQL string

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		PlacedAtFirst: func(c *service.Composition) { replaceIndex(c, placedAtFirstSQL) },
	}
}

// replaceIndex puts SQL in the place of the solution's.
func replaceIndex(c *service.Composition, sql string) {
	for i, change := range c.SchemaChanges {
		if change.Name == "00-baseline/index.sql" {
			c.SchemaChanges[i].SQL = sql
		}
	}
}
