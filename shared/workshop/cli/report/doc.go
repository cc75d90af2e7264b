// Package report renders a lab.Result: as text for a terminal, with or without colours and
// Unicode, and as Markdown. It also lays out the tables of the other verbs.
package report
