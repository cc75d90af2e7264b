// Command bare is the plainest service that answers GET /meals/:id from Redis and PostgreSQL. It
// makes the same reads as the cached service of lab 03 and does nothing else: no metrics, no log,
// no time limits, no breaker, no body of its own. The performance command compares the two.
//
// With BARE_DELAY it reads nothing, and waits before it answers: so the time of an answer is known.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/pgconn"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "bare: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	meal, err := mealHandler(os.Getenv("BARE_DELAY"))
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET("/readyz", func(c *gin.Context) { c.Status(http.StatusOK) })
	e.GET("/meals/:id", func(c *gin.Context) {
		body, err := meal(c.Request.Context(), c.Param("id"))
		if err != nil {
			c.String(http.StatusInternalServerError, "%v", err)
			return
		}
		c.Data(http.StatusOK, "application/json", body)
	})
	return http.ListenAndServe(os.Getenv("BYTEBITES_ADDR"), e)
}

type answer struct {
	ID        string          `json:"id"`
	Meal      json.RawMessage `json:"meal,omitempty"`
	Rating    json.RawMessage `json:"rating,omitempty"`
	Available int             `json:"available"`
}

// mealHandler returns the function that makes the body for a meal.
func mealHandler(delay string) (func(context.Context, string) ([]byte, error), error) {
	if delay == "" {
		return reading()
	}
	usual, err := time.ParseDuration(delay)
	if err != nil {
		return nil, fmt.Errorf("BARE_DELAY: %w", err)
	}
	return waiting(usual), nil
}

// slowEvery is how often an answer takes slowFactor times as long, so that a mean differs from a
// median and a median from a high percentile.
const (
	slowEvery  = 5
	slowFactor = 4
)

// waiting answers after the usual delay, and every fifth time after four times that.
func waiting(usual time.Duration) func(context.Context, string) ([]byte, error) {
	var n atomic.Uint64
	return func(_ context.Context, id string) ([]byte, error) {
		delay := usual
		if n.Add(1)%slowEvery == 0 {
			delay *= slowFactor
		}
		time.Sleep(delay)
		return json.Marshal(answer{ID: id})
	}
}

// reading reads what the cached service reads: the entries of the meal and of its rating, and the
// stock.
func reading() (func(context.Context, string) ([]byte, error), error) {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("BYTEBITES_REDIS"), PoolSize: 16})
	db, err := pgconn.Open(os.Getenv("BYTEBITES_CATALOGUE_DB"))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return func(ctx context.Context, id string) ([]byte, error) {
		entries, err := client.MGet(ctx, "bytebites:1:meal:"+id, "bytebites:1:rating:"+id).Result()
		if err != nil {
			return nil, fmt.Errorf("read redis: %w", err)
		}
		meal, found := entries[0].(string)
		if !found {
			return nil, errors.New("meal is not in redis")
		}
		a := answer{ID: id, Meal: json.RawMessage(meal)}
		if rating, _ := entries[1].(string); rating != "" { // an empty entry: no such rating
			a.Rating = json.RawMessage(rating)
		}
		if err := db.QueryRowContext(ctx, `SELECT available FROM stock WHERE meal_id = $1`, id).Scan(&a.Available); err != nil {
			return nil, fmt.Errorf("read stock: %w", err)
		}
		return json.Marshal(a)
	}, nil
}
