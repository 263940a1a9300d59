package main

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"shoal.dev/gen/shoal/v1"
	"shoal.dev/owners"
	"shoal.dev/refusal"
)

const (
	// hopsMax is how often a call follows MOVED at once.
	hopsMax = 4
	// rewatchPause lies between two attempts to watch, each at the next node.
	rewatchPause = 200 * time.Millisecond
)

// Client sends each request straight to the owner of its key.
type Client struct {
	seeds  []string
	owners owners.Owners
	// known is closed when the first topology is there.
	known chan struct{}

	mutex sync.Mutex
	stubs map[string]shoalv1.CacheClient
	open  []*grpc.ClientConn
}

// NewClient watches until ctx is done; then Close ends its connections.
func NewClient(ctx context.Context, seeds []string) *Client {
	client := &Client{
		seeds: seeds, known: make(chan struct{}), stubs: map[string]shoalv1.CacheClient{},
	}
	go client.watch(ctx)
	return client
}

// Ready waits for the first topology.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.known:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get reads a key at its owner.
func (c *Client) Get(ctx context.Context, key []byte) (answer *shoalv1.GetResponse, err error) {
	err = c.toOwner(ctx, key, c.owners.Of(key), func(stub shoalv1.CacheClient, routed bool) error {
		answer, err = stub.Get(ctx, &shoalv1.GetRequest{Key: key, Routed: routed})
		return err
	})
	return answer, err
}

// Set stores a value at the owner of its key.
func (c *Client) Set(ctx context.Context, key, value []byte) (answer *shoalv1.SetResponse, err error) {
	err = c.toOwner(ctx, key, c.owners.Of(key), func(stub shoalv1.CacheClient, routed bool) error {
		answer, err = stub.Set(ctx, &shoalv1.SetRequest{Key: key, Value: value, Routed: routed})
		return err
	})
	return answer, err
}

// toOwner calls the node at address, and whom MOVED answers name after that. Where nobody is
// known to own the key, some node is asked to forward. What had no effect and may have one later
// is repeated as RetryInfo says; an error that leaves that open is the caller's to judge.
func (c *Client) toOwner(
	ctx context.Context, key []byte, address string, call func(shoalv1.CacheClient, bool) error,
) error {
	for hops := 0; ; {
		routed := address != "" && hops < hopsMax
		if !routed {
			address = c.seeds[0]
		}
		stub, err := c.stub(address)
		if err != nil {
			return err
		}
		err = call(stub, routed)
		if err == nil {
			return nil
		}
		told := refusal.Of(err)
		switch {
		case told.Reason == "MOVED":
			c.owners.Moved(told.Metadata)
			address = told.Metadata["address"]
			hops++
		case told.MayBeRepeated() && told.RetryAfter > 0:
			select {
			case <-time.After(told.RetryAfter):
			case <-ctx.Done():
				return err
			}
			address, hops = c.owners.Of(key), 0
		default:
			return err
		}
	}
}

// watch keeps the owners current, from one node after the other.
func (c *Client) watch(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; turn++ {
		c.watchOne(ctx, c.seeds[turn%len(c.seeds)])
		select {
		case <-time.After(rewatchPause):
		case <-ctx.Done():
		}
	}
}

// watchOne returns when the stream ends: the node stops, or its connection is lost.
func (c *Client) watchOne(ctx context.Context, address string) {
	stub, err := c.stub(address)
	if err != nil {
		return
	}
	request := &shoalv1.WatchTopologyRequest{KnownRevision: c.owners.Revision()}
	updates, err := stub.WatchTopology(ctx, request)
	if err != nil {
		return
	}
	for {
		update, err := updates.Recv()
		if err != nil {
			return
		}
		isFirst := c.owners.Revision() == 0
		if c.owners.Update(update.GetTopology()) && isFirst {
			close(c.known)
		}
	}
}

func (c *Client) stub(address string) (shoalv1.CacheClient, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if stub, found := c.stubs[address]; found {
		return stub, nil
	}
	connection, err := grpc.NewClient(
		address, grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		return nil, err
	}
	c.open = append(c.open, connection)
	c.stubs[address] = shoalv1.NewCacheClient(connection)
	return c.stubs[address], nil
}

// Close ends all connections.
func (c *Client) Close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, connection := range c.open {
		connection.Close()
	}
}
