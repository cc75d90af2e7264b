// Package fakebroker is a message broker in the memory of a test. Clients connect over TCP. It speaks
// AMQP 0-9-1 as RabbitMQ 4 does: exchanges, quorum queues, dead letters, time to live, streams,
// confirms, returns and blocked connections.
//
// A check uses it for faults that a real broker shows rarely: it refuses a message, confirms it
// late, or loses it. It counts the messages that each client published, acknowledged and put back.
// Time to live runs by a clock that stands still until Advance moves it, so no check waits for it.
//
// It keeps messages in memory and checks no password. It has no transactions, no policies, no
// message priorities and no queue lengths. A test in solutions/05-queue runs the same client code
// against it and against a real RabbitMQ.
package fakebroker
