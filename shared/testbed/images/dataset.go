package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// The login of every dataset image. It is fixed, because it is a part of the data. The
// containers listen on loopback only.
const (
	DatasetUser     = "bytebites"
	DatasetPassword = "workshop"
	DatasetDatabase = "bytebites"
	// DatasetPGData is outside of the volume that the postgres image declares, because files
	// in a volume do not become a part of an image.
	DatasetPGData = "/var/lib/bytebites/pgdata"
)

const (
	datasetName    = "dataset"
	datasetTimeout = 10 * time.Minute
	postgresReady  = 2 * time.Minute
	stopSeconds    = 120 // until PostgreSQL has written its last checkpoint
)

// seedingSettings make the fill fast. They are set for that one run of the server and are
// not in the image. After a crash the data is lost, and the build fails.
var seedingSettings = []string{
	"fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off",
	"wal_level=minimal", "max_wal_senders=0", "max_wal_size=8GB", "checkpoint_timeout=1h",
	"wal_recycle=off", "wal_init_zero=off", // no recycled log segments in the image
	"shared_buffers=512MB", "maintenance_work_mem=256MB",
}

// EnsureDataset makes sure that the engine has a PostgreSQL image with data of that size, and
// returns the image's name. A container of it is ready in about a second. The image runs as
// the postgres image does, but ignores the POSTGRES_* variables. It is built once, under a
// machine-wide lock of its own, so that the builds of other images do not wait for it.
func EnsureDataset(ctx context.Context, eng *engine.Engine, p *progress.Reporter, size seed.Size) (Ref, error) {
	return ensureData(ctx, eng, p, dataset{
		key:  size.Key(),
		what: fmt.Sprintf("a database with %d subscribers and %d orders", size.Users, size.Orders),
		fill: func(ctx context.Context, url string) error { return seed.Fill(ctx, url, size) },
	})
}

// EnsureShare is EnsureDataset for a server that has a share of the data.
func EnsureShare(ctx context.Context, eng *engine.Engine, p *progress.Reporter, share seed.Share) (Ref, error) {
	return ensureData(ctx, eng, p, dataset{key: share.Key(), what: share.String(), fill: share.Fill})
}

// dataset is what a database image is filled with.
type dataset struct {
	key  string // names the rows
	what string // for the line of progress
	fill func(ctx context.Context, databaseURL string) error
}

func ensureData(ctx context.Context, eng *engine.Engine, p *progress.Reporter, data dataset) (Ref, error) {
	have, err := Ensure(ctx, eng, p, Postgres)
	if err != nil {
		return "", err
	}
	from := have[Postgres]
	ref := datasetRef(from, data.key)
	if there, err := present(ctx, eng, ref); err != nil || there {
		return ref, err
	}
	release, err := lock(ctx, p, "dataset-"+data.key)
	if err != nil {
		return "", err
	}
	defer release()
	if there, err := present(ctx, eng, ref); err != nil || there {
		return ref, err
	}
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(datasetTimeout))
	defer cancel()
	if err := buildDataset(ctx, eng, p, from, ref, data); err != nil {
		return "", fmt.Errorf("dataset %s: %w", ref, err)
	}
	return ref, nil
}

// datasetRef names a dataset by its content and by the image that made it. The data depends
// on that image's collation and minor version.
func datasetRef(from Ref, key string) Ref {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %s", from, seedingSettings, DatasetPassword))
	return Ref(localPrefix + datasetName + ":" + key + "-" + hex.EncodeToString(sum[:4]))
}

func buildDataset(ctx context.Context, eng *engine.Engine, p *progress.Reporter, from, ref Ref, data dataset) (err error) {
	step := p.Step("seed %s", data.what)
	defer func() { step.End(err) }()
	id, err := startSeeding(ctx, eng, from)
	if id != "" {
		defer func() { err = errors.Join(err, removeContainer(eng, id)) }()
	}
	if err != nil {
		return err
	}
	step.Detail("wait for PostgreSQL")
	address, err := waitForPostgres(ctx, eng, id)
	if err != nil {
		return errors.Join(err, lastLogs(ctx, eng, id))
	}
	step.Detail("fill")
	if err := data.fill(ctx, address); err != nil {
		return errors.Join(fmt.Errorf("fill: %w", err), lastLogs(ctx, eng, id))
	}
	step.Detail("stop PostgreSQL")
	if err := stopCleanly(ctx, eng, id); err != nil {
		return errors.Join(err, lastLogs(ctx, eng, id))
	}
	step.Detail("commit")
	return commitDataset(ctx, eng, id, ref)
}

var postgresPort = network.MustParsePort("5432/tcp")

func startSeeding(ctx context.Context, eng *engine.Engine, from Ref) (id string, err error) {
	command := []string{"postgres"}
	for _, setting := range seedingSettings {
		command = append(command, "-c", setting)
	}
	created, err := eng.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: string(from),
			Cmd:   command,
			Env: []string{
				"POSTGRES_USER=" + DatasetUser, "POSTGRES_PASSWORD=" + DatasetPassword,
				"POSTGRES_DB=" + DatasetDatabase, "PGDATA=" + DatasetPGData,
			},
			ExposedPorts: network.PortSet{postgresPort: {}},
			Labels:       hostlock.Owner(),
		},
		HostConfig: &container.HostConfig{
			PortBindings: network.PortMap{postgresPort: {{HostIP: netip.MustParseAddr("127.0.0.1")}}},
			ShmSize:      512 << 20, // parallel index builds need more than the default 64 MiB
		},
	})
	if err != nil {
		return "", fmt.Errorf("create container: %w", err)
	}
	if _, err := eng.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return created.ID, fmt.Errorf("start container: %w", err)
	}
	return created.ID, nil
}

// waitForPostgres waits until the database answers, and returns its URL.
func waitForPostgres(ctx context.Context, eng *engine.Engine, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(postgresReady))
	defer cancel()
	for {
		inspected, err := eng.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return "", fmt.Errorf("wait for PostgreSQL: %w", err)
		}
		if !inspected.Container.State.Running {
			return "", fmt.Errorf("wait for PostgreSQL: it ended with status %d", inspected.Container.State.ExitCode)
		}
		if bindings := inspected.Container.NetworkSettings.Ports[postgresPort]; len(bindings) > 0 {
			address := (&url.URL{
				Scheme:   "postgres",
				User:     url.UserPassword(DatasetUser, DatasetPassword),
				Host:     net.JoinHostPort("127.0.0.1", bindings[0].HostPort),
				Path:     DatasetDatabase,
				RawQuery: "sslmode=disable&connect_timeout=5",
			}).String()
			if err = ping(ctx, address); err == nil {
				return address, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for PostgreSQL: %w", errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func ping(ctx context.Context, address string) (err error) {
	db, err := pgconn.Open(address)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.PingContext(ctx)
}

// stopCleanly stops PostgreSQL by the image's stop signal and checks its exit code. After a
// kill, every start of the image would run crash recovery.
func stopCleanly(ctx context.Context, eng *engine.Engine, id string) error {
	timeout := stopSeconds
	if _, err := eng.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &timeout}); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	inspected, err := eng.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	if code := inspected.Container.State.ExitCode; code != 0 {
		return fmt.Errorf("stop PostgreSQL: it ended with status %d", code)
	}
	return nil
}

func commitDataset(ctx context.Context, eng *engine.Engine, id string, ref Ref) error {
	return commit(ctx, eng, id, datasetName, ref, []string{`CMD ["postgres"]`, "ENV PGDATA=" + DatasetPGData})
}

// lastLogs returns the end of a container's log as an error. Join it to the error that it
// explains.
func lastLogs(ctx context.Context, eng *engine.Engine, id string) error {
	logs, err := eng.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return fmt.Errorf("read logs: %w", err)
	}
	out := &tail{}
	_, err = stdcopy.StdCopy(out, out, io.LimitReader(logs, mebibyte))
	return errors.Join(fmt.Errorf("its log ends with:\n%s", out), err, logs.Close())
}
