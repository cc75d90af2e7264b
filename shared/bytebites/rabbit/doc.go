// Package rabbit keeps a connection to RabbitMQ and counts the events and messages on it. Its users
// decide what to declare, publish and consume.
package rabbit
