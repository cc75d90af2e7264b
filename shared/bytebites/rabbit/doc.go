// Package rabbit keeps a connection to RabbitMQ, and says in metrics what goes over it. What is
// declared, published and consumed is for its users to say.
package rabbit
