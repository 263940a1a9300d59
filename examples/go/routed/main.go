// Routed is a client that knows the partitions, in as few lines as that takes: it watches the
// topology, computes each key's slot, and asks the owner itself.
//
//	bin/routed HOST:PORT [HOST:PORT...]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"shoal.dev/gen/shoal/v1"
	"shoal.dev/refusal"
	"shoal.dev/slots"
)

const keys = 200

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: routed HOST:PORT [HOST:PORT...]")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "routed:", err)
		os.Exit(1)
	}
}

func run(seeds []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := NewClient(ctx, seeds)
	defer client.Close()
	if err := client.Ready(ctx); err != nil {
		return fmt.Errorf("no topology from %s: %w", strings.Join(seeds, ", "), err)
	}
	nodes := client.owners.Nodes()
	fmt.Printf("topology: revision %d, nodes %s\n", client.owners.Revision(), strings.Join(nodes, ", "))
	prefix := fmt.Sprintf("routed:%d:", time.Now().UnixNano())
	if err := askOwners(ctx, client, prefix); err != nil {
		return err
	}
	return followMoved(ctx, client, []byte(prefix+"0"))
}

// askOwners writes and reads keys of all partitions, and counts who was asked.
func askOwners(ctx context.Context, client *Client, prefix string) error {
	asked := map[string]int{}
	for i := range keys {
		key := fmt.Appendf(nil, "%s%d", prefix, i)
		asked[client.owners.Of(key)]++
		if _, err := client.Set(ctx, key, key); err != nil {
			return err
		}
		found, err := client.Get(ctx, key)
		if err != nil {
			return err
		}
		if string(found.GetValue()) != string(key) {
			return fmt.Errorf("%q reads %v", key, found)
		}
	}
	fmt.Printf("routed: %d keys, at each owner %v\n", keys, asked)
	return nil
}

// followMoved asks a node that is not the owner, as a client does whose map is old.
func followMoved(ctx context.Context, client *Client, key []byte) error {
	owner := client.owners.Of(key)
	wrong := ""
	for _, node := range client.owners.Nodes() {
		if node != owner {
			wrong = node
		}
	}
	if wrong == "" {
		fmt.Println("moved: there is one node, and it owns everything")
		return nil
	}
	var told refusal.Refusal
	var found *shoalv1.GetResponse
	err := client.toOwner(ctx, key, wrong, func(stub shoalv1.CacheClient, routed bool) error {
		answer, err := stub.Get(ctx, &shoalv1.GetRequest{Key: key, Routed: routed})
		if err != nil {
			told = refusal.Of(err)
		}
		found = answer
		return err
	})
	if err != nil {
		return err
	}
	if told.Reason != "MOVED" {
		return errors.New("a node that is not the owner answered as if it were")
	}
	fmt.Printf("moved: slot %d asked of %s, which sent to %s: %s\n",
		slots.Of(key), wrong, told.Metadata["address"], found.GetStatus())
	return nil
}
