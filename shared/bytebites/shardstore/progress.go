package shardstore

import (
	"context"
	"log/slog"
	"time"
)

// progressEvery is the interval of the progress lines.
const progressEvery = time.Second

// Progress logs how far a walk over all subscribers has come, every second and at the end.
type Progress struct {
	logger      *slog.Logger
	began, said time.Time
	done, of    int
	rows        int // since the walk began
}

// NewProgress returns the progress of a walk with done of its subscribers behind it.
func NewProgress(logger *slog.Logger, done, of int) *Progress {
	now := time.Now()
	return &Progress{logger: logger, began: now, said: now, done: done, of: of}
}

// Add counts finished subscribers, and the rows written for them.
func (p *Progress) Add(ctx context.Context, users, rows int) {
	p.done, p.rows = p.done+users, p.rows+rows
	if time.Since(p.said) >= progressEvery {
		p.Say(ctx)
	}
}

// Say logs the progress.
func (p *Progress) Say(ctx context.Context) {
	p.said = time.Now()
	took := p.said.Sub(p.began)
	p.logger.InfoContext(ctx, "progress", "users", p.done, "users_of", p.of, "rows", p.rows,
		"rows_per_second", int(float64(p.rows)/max(took.Seconds(), 1e-3)), "seconds", took.Seconds())
}
