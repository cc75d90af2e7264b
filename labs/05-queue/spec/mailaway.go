package spec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/lab"
)

// post is a mail server in the check's own process.
type post struct {
	sink    *mailsink.Sink
	address string
	shut    func()
}

// open starts the mail server, at its old address when it has one.
func (p *post) open(ctx context.Context) error {
	address := p.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	var listen net.ListenConfig
	letters, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("start mail server: %w", err)
	}
	control, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("start mail server: %w", err), letters.Close())
	}
	sink, err := mailsink.New(0, 0)
	if err != nil {
		return errors.Join(err, letters.Close(), control.Close())
	}
	p.sink, p.address = sink, letters.Addr().String()
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { _ = sink.Serve(ctx, letters, control, discard()) })
	p.shut = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
	})
	return nil
}

// mailServerAway has a mail server that refuses for a while, is not there for a while, and works then;
// and one that refuses for good.
func (l *trial) mailServerAway(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.waitsForTheMailServer, c.waitsForASlowMailServer, c.parksARefusedMail)
}

// clerk is the subject's worker for mails, with a mail server.
type clerk struct {
	*shift
	*post
	desk  *desk
	tried tried
	body  []byte
}

// clerk starts the worker, with a mail server that refuses every mail.
func (c *composed) clerk(ctx context.Context, permanently bool) (*clerk, error) {
	k := &clerk{post: &post{}}
	if err := k.open(ctx); err != nil {
		return nil, err
	}
	k.sink.SetPermanent(permanently)
	if err := k.sink.SetFailureRate(1); err != nil {
		k.shut()
		return nil, err
	}
	from := mail.Address{Name: "ByteBites", Address: "dinner@" + mailDomain}
	var err error
	if k.desk, err = c.desk(smtp.New(k.address, from, nil)); err != nil {
		k.shut()
		return nil, err
	}
	event := eventOf(bytebites.TopicOrderPlaced, "order-1")
	handle := k.desk.of(mailQueue)
	k.shift, err = c.shift(ctx, mailQueue, 2, func(ctx context.Context, event bytebites.Event) (bool, error) {
		first, err := handle(ctx, event)
		k.tried.call(event.Order)
		return first, err
	})
	if err != nil {
		k.shut()
		return nil, err
	}
	if k.body, err = outbox.Encode(event); err == nil {
		err = k.put(event)
	}
	if err != nil {
		k.end()
		return nil, err
	}
	return k, nil
}

func (k *clerk) end() {
	k.close()
	k.shut()
}

// waitsForTheMailServer demands that no mail is parked because the mail server is away.
func (c *composed) waitsForTheMailServer(ctx context.Context) error {
	k, err := c.clerk(ctx, false)
	if err != nil {
		return err
	}
	defer k.end()
	n := 0
	for _, away := range []string{"refuses mails for the moment", "cannot be reached"} {
		if away == "cannot be reached" {
			k.shut()
		}
		for range busyTries {
			n++
			wait, isParked, err := k.awaitTry(ctx, &k.tried, "order-1", n, k.body)
			if err != nil {
				return err
			}
			if isParked || wait <= 0 {
				return &lab.Failure{
					Expected: fmt.Sprintf("a mail that waits while the mail server %s", away), Seen: fmt.Sprintf("parked after %d tries", n),
					Look: serveLook("bytebites.ErrBusy is no failure of the message: do not count it"),
				}
			}
			k.broker.Advance(wait)
		}
	}
	n++
	wait, _, err := k.awaitTry(ctx, &k.tried, "order-1", n, k.body)
	if err != nil {
		return err
	}
	if err := k.open(ctx); err != nil {
		return err
	}
	k.broker.Advance(wait)
	sent, err := until(ctx, func() bool { return k.desk.done("order-1", bytebites.EffectEmail) })
	if err != nil {
		return err
	}
	if accepted := k.sink.Stats().Accepted; !sent || accepted != 1 {
		return &lab.Failure{
			Expected: "one mail when the mail server is back", Seen: fmt.Sprintf("%d mails, noted as sent %t", accepted, sent), Look: emailLook("mail at the next try, and note it"),
		}
	}
	return nil
}

// waitsForASlowMailServer demands that a mail server that gives no answer in time does not count.
func (c *composed) waitsForASlowMailServer(ctx context.Context) error {
	k, err := c.clerk(ctx, false)
	if err != nil {
		return err
	}
	defer k.end()
	wait, _, err := k.awaitTry(ctx, &k.tried, "order-1", 1, k.body)
	if err != nil {
		return err
	}
	if err := k.sink.SetDelay(time.Minute); err != nil {
		return err
	}
	k.broker.Advance(wait)
	_, isParked, err := k.awaitTryFor(ctx, settleTimeout+stepLimit(), &k.tried, "order-1", 2, k.body)
	if err != nil {
		return err
	}
	put := k.republished()
	if n := rabbit.Retries(put[len(put)-1].Headers); isParked || n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a try that is not counted, when the mail server takes longer than a mail may: %s 0", rabbit.RetriesHeader),
			Seen:     fmt.Sprintf("%d, parked %t", n, isParked), Look: serveLook("bytebites.ErrBusy is no failure of the message: do not count it"),
		}
	}
	return nil
}

// parksARefusedMail demands that a mail is parked that the mail server will never take.
func (c *composed) parksARefusedMail(ctx context.Context) error {
	k, err := c.clerk(ctx, true)
	if err != nil {
		return err
	}
	defer k.end()
	for n := 1; n <= busyTries; n++ {
		wait, isParked, err := k.awaitTry(ctx, &k.tried, "order-1", n, k.body)
		if err != nil {
			return err
		}
		if isParked {
			return nil
		}
		k.broker.Advance(wait)
	}
	return &lab.Failure{
		Expected: "a mail that the mail server refuses for good to be parked", Seen: fmt.Sprintf("%d tries, and it still waits", busyTries),
		Look: emailLook("return the error of the mail, wrapped with %w"),
	}
}
