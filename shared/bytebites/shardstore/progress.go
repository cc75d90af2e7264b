package shardstore

import (
	"context"
	"log/slog"
	"time"
)

// progressEvery is the pause between two lines of progress.
const progressEvery = time.Second

// Progress shows in a log how far a walk over all subscribers has come: every second, and at
// the end.
type Progress struct {
	logger      *slog.Logger
	began, said time.Time
	done, of    int
	rows        int // since it began
}

// NewProgress returns the progress of something that has been done to some subscribers of many.
func NewProgress(logger *slog.Logger, done, of int) *Progress {
	now := time.Now()
	return &Progress{logger: logger, began: now, said: now, done: done, of: of}
}

// Add counts subscribers who are done, and rows that were written for them.
func (p *Progress) Add(ctx context.Context, users, rows int) {
	p.done, p.rows = p.done+users, p.rows+rows
	if time.Since(p.said) >= progressEvery {
		p.Say(ctx)
	}
}

// Say shows how far it has come.
func (p *Progress) Say(ctx context.Context) {
	p.said = time.Now()
	took := p.said.Sub(p.began)
	p.logger.InfoContext(ctx, "progress", "users", p.done, "users_of", p.of, "rows", p.rows,
		"rows_per_second", int(float64(p.rows)/max(took.Seconds(), 1e-3)), "seconds", took.Seconds())
}
