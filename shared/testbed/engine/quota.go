package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

const (
	probedQuota    = 0.2 // cores
	quotaProbeTime = time.Second
	// quotaLimit is above probedQuota, because a container may use one unthrottled period of
	// 100 ms and the counter may be read late.
	quotaLimit = 0.4
)

// probeQuota runs a busy loop under a quota for a second and reads how much CPU it used. An
// engine that accepts a quota does not always enforce it, and every measurement of the
// workshop depends on quotas.
func (e *Engine) probeQuota(ctx context.Context, info system.Info, image string) Finding {
	f, final := quotaFromInfo(info)
	if final || image == "" {
		return f
	}
	share, err := probe(ctx, func(ctx context.Context) (float64, error) { return e.burn(ctx, image) })
	return quotaFinding(share, err)
}

func quotaFinding(share float64, err error) Finding {
	const name = "CPU quota"
	switch {
	case err != nil:
		return Finding{name, Warn, fmt.Sprintf("test failed: %v", err), "run doctor again; if this stays, restart the Docker engine"}
	case share > quotaLimit:
		return Finding{name, Fail, fmt.Sprintf("a container with a quota of %.1f cores used %.2f", probedQuota, share), quotaRemedy}
	}
	return Finding{Name: name, Status: OK, Detail: fmt.Sprintf("a container with a quota of %.1f cores used %.2f", probedQuota, share)}
}

// burn returns how many cores a busy loop used under the tried quota.
func (e *Engine) burn(ctx context.Context, image string) (share float64, err error) {
	created, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      image,
			Entrypoint: []string{"sh", "-c", "while :; do :; done"},
			Labels:     hostlock.Owner(),
		},
		HostConfig: &container.HostConfig{
			NetworkMode: "none",
			Resources:   container.Resources{NanoCPUs: int64(probedQuota * 1e9)},
		},
	})
	if err != nil {
		return 0, fmt.Errorf("create container: %w", err)
	}
	defer func() {
		// With a timeout of its own, so that the loop ends also after ctx has ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		_, removeErr := e.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		err = errors.Join(err, removeErr)
	}()
	if _, err := e.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return 0, fmt.Errorf("start container: %w", err)
	}
	before, err := e.cpuUsage(ctx, created.ID)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(quotaProbeTime):
	}
	after, err := e.cpuUsage(ctx, created.ID)
	if err != nil {
		return 0, err
	}
	used := (after - before).Seconds() / time.Since(start).Seconds()
	if used < probedQuota/10 {
		return 0, fmt.Errorf("a busy loop used only %.3f cores: the counters are wrong, or the machine is overloaded", used)
	}
	return used, nil
}

func (e *Engine) cpuUsage(ctx context.Context, id string) (time.Duration, error) {
	result, err := e.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return 0, fmt.Errorf("read CPU usage: %w", err)
	}
	var stats container.StatsResponse
	err = json.NewDecoder(result.Body).Decode(&stats)
	if err := errors.Join(err, result.Body.Close()); err != nil {
		return 0, fmt.Errorf("read CPU usage: %w", err)
	}
	return time.Duration(stats.CPUStats.CPUUsage.TotalUsage), nil // nanoseconds
}
