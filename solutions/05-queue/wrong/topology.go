package wrong

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// topology declares what the lesson asks for in another way than the solution does: each queue has
// waiting queues of its own, to which a worker publishes by their names. Its fields are mistakes.
type topology struct {
	classic      bool // durable queues that are not quorum queues
	transient    bool // an exchange that does not outlive the broker
	noParked     bool // what is given up is dropped
	mayLose      bool // dead letters are moved at most once
	endless      bool // a message comes back without a limit
	endlessLog   bool // the stream ends nowhere
	shortLog     bool // only orders are in the stream
	oneRoom      bool // one waiting queue, and a time to live of each message
	toTheTopic   bool // what has waited goes to the exchange, and so to all queues of its topic
	swapped      bool // the parked queues of mails and bookings
	fleetingRoom bool // the waiting queues do not outlive the broker
	oneReturn    bool // a message that came back twice is given up
	expires      bool // what waits for a day is given up
	oneCopy      bool // the parked queues are classic queues
	parkedEnds   bool // the parked queues give messages up after a week
	keepsTopic   bool // a dead letter keeps the key of its topic
	toAll        bool // a dead letter goes to all parked queues
	single       bool // one consumer at a time gets the messages of a queue
	deadOfAll    bool // dead letters go through the exchange of the events
	deletes      bool // deletes the queues before it declares them
	goesOn       bool // ignores what the broker refuses
}

// waits are how long a message waits after each failure.
func waits() []time.Duration {
	return []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
}

// room is the waiting queue after so many failures, from 1.
func (t topology) room(name string, failures int) string {
	if t.oneRoom {
		return name + ".wait"
	}
	return fmt.Sprintf("%s.wait.%d", name, failures)
}

func topics() map[string]bytebites.Topic {
	return map[string]bytebites.Topic{
		string(bytebites.EffectLedger): bytebites.TopicOrderPlaced, string(bytebites.EffectEmail): bytebites.TopicOrderPlaced,
		string(bytebites.EffectRecommendation): bytebites.TopicRecommendationRequest, "payments": bytebites.TopicPaymentProcessed,
	}
}

func (t topology) declare(ch *amqp.Channel) error {
	err := t.all(ch)
	if t.goesOn {
		return nil
	}
	return err
}

func (t topology) all(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(queue.Exchange, amqp.ExchangeTopic, !t.transient, false, false, false, nil); err != nil {
		return err
	}
	log := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeStream, amqp.StreamMaxAgeArg: "14D"}
	if t.endlessLog {
		delete(log, amqp.StreamMaxAgeArg)
	}
	if _, err := ch.QueueDeclare("events", true, false, false, false, log); err != nil {
		return err
	}
	for _, topic := range bytebites.Topics() {
		if t.shortLog && topic != bytebites.TopicOrderPlaced {
			continue
		}
		if err := ch.QueueBind("events", string(topic), queue.Exchange, false, nil); err != nil {
			return err
		}
	}
	for name, topic := range topics() {
		if t.deletes {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				return err
			}
		}
		if err := t.consumer(ch, name, topic); err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
	}
	return nil
}

// dead is the exchange to the parked queues, of the mistakes toAll and keepsTopic.
const dead = "dead"

// consumer declares a consumer's queues. Dead letters go by the default exchange to the queue that
// their routing key names.
func (t topology) consumer(ch *amqp.Channel, name string, topic bytebites.Topic) error {
	parked := name + ".parked"
	if t.swapped {
		parked = map[string]string{"supplier_ledger": "confirmation_email", "confirmation_email": "supplier_ledger"}[name] + ".parked"
	}
	if parked == ".parked" {
		parked = name + ".parked"
	}
	main := t.arguments("", parked)
	if t.noParked {
		main = t.arguments("", "")
		delete(main, "x-dead-letter-exchange")
		delete(main, "x-dead-letter-routing-key")
		delete(main, "x-dead-letter-strategy")
	}
	if t.oneReturn {
		main["x-delivery-limit"] = int64(1)
	}
	if t.expires {
		main[amqp.QueueMessageTTLArg] = (24 * time.Hour).Milliseconds()
	}
	if t.endless {
		main["x-delivery-limit"] = int64(-1)
	}
	forGood := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	if t.oneCopy {
		forGood = nil
	}
	if t.parkedEnds {
		forGood[amqp.QueueMessageTTLArg] = (7 * 24 * time.Hour).Milliseconds()
	}
	if t.keepsTopic {
		delete(main, "x-dead-letter-routing-key")
	}
	if t.single {
		main[amqp.SingleActiveConsumerArg] = true
	}
	if t.deadOfAll {
		main["x-dead-letter-exchange"] = queue.Exchange
	}
	if t.toAll || t.keepsTopic {
		kind := amqp.ExchangeDirect
		if t.toAll {
			kind = amqp.ExchangeFanout
		}
		main["x-dead-letter-exchange"] = dead
		if err := ch.ExchangeDeclare(dead, kind, true, false, false, false, nil); err != nil {
			return err
		}
	}
	queues := map[string]amqp.Table{name: main, name + ".parked": forGood}
	for i, wait := range waits() {
		back := t.arguments("", name)
		if t.toTheTopic {
			back = t.arguments(queue.Exchange, string(topic))
		}
		if !t.oneRoom {
			back[amqp.QueueMessageTTLArg] = wait.Milliseconds()
		}
		queues[t.room(name, 1+i)] = back
	}
	for q, arguments := range queues {
		durable := true
		if t.fleetingRoom && q != name && q != name+".parked" {
			durable = false
			for _, argument := range []string{amqp.QueueTypeArg, "x-dead-letter-strategy", amqp.QueueOverflowArg} {
				delete(arguments, argument)
			}
		}
		if t.classic {
			for _, argument := range []string{amqp.QueueTypeArg, "x-dead-letter-strategy", amqp.QueueOverflowArg, "x-delivery-limit"} {
				delete(arguments, argument)
			}
		}
		if _, err := ch.QueueDeclare(q, durable, false, false, false, arguments); err != nil {
			return err
		}
	}
	if t.toAll || t.keepsTopic {
		if err := ch.QueueBind(name+".parked", name, dead, false, nil); err != nil {
			return err
		}
	}
	if t.deadOfAll {
		for _, bound := range []string{name + ".parked", "events"} { // the log is bound to all
			if err := ch.QueueBind(bound, parked, queue.Exchange, false, nil); err != nil {
				return err
			}
		}
	}
	return ch.QueueBind(name, string(topic), queue.Exchange, false, nil)
}

func (t topology) arguments(exchange, key string) amqp.Table {
	arguments := amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
		"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key, "x-dead-letter-strategy": "at-least-once",
	}
	if t.mayLose {
		delete(arguments, "x-dead-letter-strategy")
	}
	return arguments
}

// roles puts a topology with a worker for it into a service.
func (t topology) roles(c *service.Composition, w worker) {
	w.rooms = t
	c.Roles["relay"] = roles.Relay(t.declare, queue.NewPublisher)
	c.Roles["worker"] = roles.Worker(t.declare, queue.Consumers, w.serve)
	c.Roles["replay"] = roles.Replaying(t.declare, queue.Consumers, queue.Replay)
}
