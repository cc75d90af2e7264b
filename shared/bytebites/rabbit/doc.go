// Package rabbit keeps a connection to RabbitMQ and measures what is published and consumed over
// it. Its users decide what to declare, publish and consume.
package rabbit
