package service

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/inmem"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Composition lists the parts of a service. A lab replaces some parts and keeps those of the labs
// before it.
type Composition struct {
	// Pool bounds the connections to each database. The API gets fewer connections to servers that
	// hold only user data (see apiPools).
	Pool postgres.PoolConfig
	// SchemaChanges are applied at start, in order, after the migrations.
	SchemaChanges []SchemaChange
	// Outbox gives each server of user data an outbox and claims: their tables, which follow
	// SchemaChanges, and the stores UserData.Outbox and UserData.Claims.
	Outbox bool
	// Sessions builds the session store.
	Sessions func(Resources) (bytebites.Sessions, error)
	// Cache builds the cache in front of the stores.
	Cache func(Resources) (Cache, error)
	// UserData builds the stores of the subscribers' data. The supplier ledger looks up ingredients
	// in the catalogue.
	UserData func(Resources, bytebites.Catalogue) (UserData, error)
	// Checkout builds the checkout from the steps of an order.
	Checkout func(Resources, *checkout.Steps) (bytebites.Checkout, error)
	// Payments builds the receiver of payment events.
	Payments func(Resources, Parts) (bytebites.Payments, error)
	// OrderID returns a new order id for a subscriber.
	OrderID func(bytebites.UserID) bytebites.OrderID
	// Lifecycle builds the replica's answers to its load balancer, and its shutdown.
	Lifecycle func() Lifecycle
	// Roles are the program's jobs beside the API, by their names for --role.
	Roles map[string]Role
}

// Resources are what the parts of a Composition are built from.
type Resources struct {
	Config    Config
	Catalogue *sql.DB // the database of meals, stock, directory and sessions
	UserData  *sql.DB // the database of user data; may be the same pool
	// Shards are the pools of Config.ShardURLs, in their order: shard 1 is the first. They are not
	// connected yet. Queries to a shard fail while its server is down.
	Shards  []*sql.DB
	Metrics prometheus.Registerer
	Logger  *slog.Logger
	// OnClose registers a function that the service calls when it ends: after the last request, and
	// before its databases are closed. The functions are called in reverse order.
	OnClose func(close func() error)

	changes []SchemaChange // see Composition.schemaChanges
	outbox  bool           // Composition.Outbox; see OutboxOn
}

// Cache wraps the stores and answers what it can itself. Each store is wrapped once.
type Cache interface {
	Catalogue(bytebites.Catalogue) bytebites.Catalogue
	Sessions(bytebites.Sessions) bytebites.Sessions
	UserData(UserData) UserData
}

// noCache is the baseline's cache: it sends every read to the stores.
type noCache struct{}

func (noCache) Catalogue(c bytebites.Catalogue) bytebites.Catalogue { return c }
func (noCache) Sessions(s bytebites.Sessions) bytebites.Sessions    { return s }
func (noCache) UserData(u UserData) UserData                        { return u }

// UserData are the stores of the subscribers' data. In a composition without an outbox, Outbox and
// Claims return an error on every call: see Resources.OutboxOn.
type UserData struct {
	Profiles bytebites.Profiles
	Carts    bytebites.Carts
	Ratings  bytebites.Ratings
	Orders   bytebites.Orders
	Ledger   bytebites.SupplierLedger
	Weeks    bytebites.Weeks
	Outbox   bytebites.Outbox
	Claims   bytebites.Claims
}

// maxSessions bounds the baseline's session store to 200,000 sessions of about 400 bytes each. That
// is two sessions a subscriber.
const maxSessions = 200_000

// Baseline returns the slow monolith. It has these faults of docs/faults.md:
//   - a pool of one connection (3)
//   - sessions in memory (4)
//   - no cache, so that every read queries the database (5)
//   - one database for all data (6)
//   - a checkout that holds a lock and does all work inside the request (2, 7)
//   - an abrupt shutdown (9)
func Baseline() Composition {
	return Composition{
		Pool: postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1, ConnMaxLifetime: 30 * time.Minute},
		Sessions: func(Resources) (bytebites.Sessions, error) {
			return inmem.New(maxSessions, nil), nil
		},
		Cache:    func(Resources) (Cache, error) { return noCache{}, nil },
		UserData: oneDatabase,
		Checkout: func(_ Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
			return checkout.NewSerial(steps), nil
		},
		Payments:  func(_ Resources, p Parts) (bytebites.Payments, error) { return atOnce{p.Orders}, nil },
		OrderID:   func(bytebites.UserID) bytebites.OrderID { return checkout.NewOrderID() },
		Lifecycle: func() Lifecycle { return abrupt{} },
		Roles:     make(map[string]Role),
	}
}

// oneDatabase keeps the data of all subscribers in one database.
func oneDatabase(r Resources, catalogue bytebites.Catalogue) (UserData, error) {
	outbox, claims := r.OutboxOn(r.UserData)
	return UserData{
		Profiles: postgres.NewProfiles(r.UserData),
		Carts:    postgres.NewCarts(r.UserData),
		Ratings:  postgres.NewRatings(r.UserData),
		Orders:   postgres.NewOrders(r.UserData),
		Ledger:   postgres.NewLedger(r.UserData, catalogue),
		Weeks:    postgres.NewWeeks(r.UserData),
		Outbox:   outbox,
		Claims:   claims,
	}, nil
}

// atOnce applies a payment event before it answers.
type atOnce struct{ orders bytebites.Orders }

func (a atOnce) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	return a.orders.ApplyPayment(ctx, event)
}
