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

// Composition says which parts a service is made of. A lab replaces a part; what it
// leaves alone stays as the labs before made it.
type Composition struct {
	// Pool bounds the connections to each database. To servers of user data alone the API has fewer.
	Pool postgres.PoolConfig
	// SchemaChanges are applied at start, in order, after the migrations.
	SchemaChanges []SchemaChange
	// Outbox gives each server of user data an outbox and claims: their tables, after
	// SchemaChanges, and the stores UserData.Outbox and UserData.Claims over them.
	Outbox bool
	// Sessions builds the memory of who is signed in.
	Sessions func(Resources) (bytebites.Sessions, error)
	// Cache builds what stands in front of the stores.
	Cache func(Resources) (Cache, error)
	// UserData builds the stores of what subscribers own. The suppliers' ledger looks up
	// ingredients in the catalogue.
	UserData func(Resources, bytebites.Catalogue) (UserData, error)
	// Checkout builds the way orders are placed out of the steps that each goes through.
	Checkout func(Resources, *checkout.Steps) (bytebites.Checkout, error)
	// Payments builds what receives the events of the payment provider.
	Payments func(Resources, Parts) (bytebites.Payments, error)
	// OrderID returns a fresh id for an order of a subscriber.
	OrderID func(bytebites.UserID) bytebites.OrderID
	// Lifecycle builds what a load balancer hears of the replica, and how it stops.
	Lifecycle func() Lifecycle
	// Roles are what the program can do other than serve the API, by the names that --role
	// takes.
	Roles map[string]Role
}

// Resources is what the parts of a Composition are built from.
type Resources struct {
	Config    Config
	Catalogue *sql.DB // the database of meals, stock, directory and sessions
	UserData  *sql.DB // the database of what subscribers own; may be the same pool
	// Shards are the pools of Config.ShardURLs, in their order: shard 1 is the first. They
	// are not connected yet, and what they are asked fails while their server is down.
	Shards  []*sql.DB
	Metrics prometheus.Registerer
	Logger  *slog.Logger
	// OnClose has the service call close when it ends, after the last request and before
	// its databases are closed. Who opened last is closed first.
	OnClose func(close func() error)

	changes []SchemaChange // the composition's, see Composition.schemaChanges
	outbox  bool           // Composition.Outbox, see OutboxOn
}

// Cache stands in front of the stores and answers in their place what it can. Whatever
// built the stores, each of them goes through it once.
type Cache interface {
	Catalogue(bytebites.Catalogue) bytebites.Catalogue
	Sessions(bytebites.Sessions) bytebites.Sessions
	UserData(UserData) UserData
}

// noCache is the baseline's: every read goes to the stores.
type noCache struct{}

func (noCache) Catalogue(c bytebites.Catalogue) bytebites.Catalogue { return c }
func (noCache) Sessions(s bytebites.Sessions) bytebites.Sessions    { return s }
func (noCache) UserData(u UserData) UserData                        { return u }

// UserData is the stores of what subscribers own. In a composition without an outbox, Outbox and
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

// maxSessions bounds the memory of the baseline's sessions: 200,000 of some 400 bytes
// each are two for every subscriber.
const maxSessions = 200_000

// Baseline returns the slow monolith. Its faults, by their numbers in docs/faults.md:
// a pool of one (3), sessions in memory (4), every read counted anew, for nothing is
// in front of the stores (5), one database for everybody (6), a checkout that holds a
// lock and does everything inside the request (2, 7), and an abrupt end (9).
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

// oneDatabase keeps everybody's data in one database.
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

// atOnce applies payments before it answers.
type atOnce struct{ orders bytebites.Orders }

func (a atOnce) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	return a.orders.ApplyPayment(ctx, event)
}
