package testbed

import (
	"context"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/engine"
)

type imageName string

const (
	imagePostgres imageName = "postgres"
	imageRedis    imageName = "redis"
	imageRabbitMQ imageName = "rabbitmq"
	imageNginx    imageName = "nginx"
	imageStatic   imageName = "static"
)

// image makes sure of an image when the first server that needs it is started.
func (b *Bed) image(ctx context.Context, name imageName) (string, error) {
	return "", &engine.Unavailable{Problem: "image " + string(name) + " cannot be had yet"}
}

func (b *Bed) datasetImage(ctx context.Context, size dataset.Size) (string, login, error) {
	return "", login{}, &engine.Unavailable{Problem: "data set image cannot be had yet"}
}
