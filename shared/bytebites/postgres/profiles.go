package postgres

import (
	"context"
	"database/sql"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Profiles stores the profiles and addresses of subscribers.
type Profiles struct{ db *sql.DB }

// NewProfiles returns the profiles in a database with the user data's schema.
func NewProfiles(db *sql.DB) *Profiles { return &Profiles{db: db} }

// Profile returns a subscriber, or ErrNotFound.
func (p *Profiles) Profile(ctx context.Context, user bytebites.UserID) (bytebites.Profile, error) {
	profile := bytebites.Profile{User: user}
	prefs := &profile.Preferences
	err := Join(ctx, p.db).QueryRowContext(ctx,
		`SELECT name, email, diets, cuisines, dislikes, portion_count FROM users WHERE user_id = $1`, name(user),
	).Scan(&profile.Name, &profile.Email, (*pq.StringArray)(&prefs.Diets), (*pq.StringArray)(&prefs.Cuisines),
		(*pq.StringArray)(&prefs.Dislikes), &prefs.PortionCount)
	if err != nil {
		return bytebites.Profile{}, wrap(ctx, "read profile", err)
	}
	return profile, nil
}

// Create adds a subscriber. The error is ErrDuplicate when the id is taken.
func (p *Profiles) Create(ctx context.Context, profile bytebites.Profile) error {
	prefs := profile.Preferences
	// Without ON CONFLICT a duplicate would abort the transaction that ctx may belong to.
	result, err := Join(ctx, p.db).ExecContext(ctx, `
INSERT INTO users (user_id, name, email, diets, cuisines, dislikes, portion_count) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id) DO NOTHING`,
		name(profile.User), storable(profile.Name), storable(profile.Email),
		storableAll(prefs.Diets), storableAll(prefs.Cuisines), storableAll(prefs.Dislikes), prefs.PortionCount)
	return wrap(ctx, "create profile", mustInsert(result, unknownParent(err)))
}

// SetPreferences replaces the preferences. The error is ErrNotFound for an unknown subscriber.
func (p *Profiles) SetPreferences(ctx context.Context, user bytebites.UserID, prefs bytebites.Preferences) error {
	result, err := Join(ctx, p.db).ExecContext(ctx,
		`UPDATE users SET diets = $2, cuisines = $3, dislikes = $4, portion_count = $5 WHERE user_id = $1`,
		name(user), storableAll(prefs.Diets), storableAll(prefs.Cuisines), storableAll(prefs.Dislikes), prefs.PortionCount)
	return wrap(ctx, "set preferences", mustAffect(result, err))
}

// Addresses returns the addresses in the order in which they were set.
func (p *Profiles) Addresses(ctx context.Context, user bytebites.UserID) ([]bytebites.Address, error) {
	rows, err := Join(ctx, p.db).QueryContext(ctx,
		`SELECT label, street, postal_code, city, country FROM addresses WHERE user_id = $1 ORDER BY position`, name(user))
	addresses, err := collect(rows, err, func(a *bytebites.Address) []any {
		return []any{&a.Label, &a.Street, &a.PostalCode, &a.City, &a.Country}
	})
	return addresses, wrap(ctx, "read addresses", err)
}

// SetAddresses replaces all addresses. The error is ErrNotFound for an unknown subscriber.
func (p *Profiles) SetAddresses(ctx context.Context, user bytebites.UserID, addresses []bytebites.Address) error {
	columns := make([]pq.StringArray, 5)
	for _, a := range addresses {
		for i, text := range []string{a.Label, a.Street, a.PostalCode, a.City, a.Country} {
			columns[i] = append(columns[i], storable(text))
		}
	}
	err := transact(ctx, p.db, func(ctx context.Context, q Querier) error {
		// Concurrent calls for one subscriber take turns at this row, so that addresses do not mix.
		result, err := q.ExecContext(ctx, `SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE`, name(user))
		if err := mustAffect(result, err); err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, `
WITH surplus AS (DELETE FROM addresses WHERE user_id = $1 AND position > $7)
INSERT INTO addresses (user_id, position, label, street, postal_code, city, country)
SELECT $1, position, label, street, postal_code, city, country
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     WITH ORDINALITY AS a (label, street, postal_code, city, country, position)
ON CONFLICT (user_id, position) DO UPDATE SET label = excluded.label, street = excluded.street,
    postal_code = excluded.postal_code, city = excluded.city, country = excluded.country`,
			name(user), columns[0], columns[1], columns[2], columns[3], columns[4], len(addresses))
		return err
	})
	return wrap(ctx, "set addresses", err)
}
