// Basics is a program that uses a Shoal cluster through nothing but generated stubs: it knows
// no partitions, and any node serves it.
//
//	bin/basics HOST:PORT [HOST:PORT...]
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"shoal.dev/gen/shoal/v1"
	"shoal.dev/refusal"
)

const (
	timeout = 30 * time.Second
	// keysForOneNode is enough that most of them are owned by other nodes.
	keysForOneNode = 32
	// largeValues are as large as a value may be, and together more than one answer holds.
	largeValues     = 8
	largeValueBytes = 1 << 20
	// answerBytesMax is what a node of much memory may answer; clients take 4 MiB unless told.
	answerBytesMax = 64 << 20
	// loadsMax is more than a node lets one partition have at a time.
	loadsMax = 100_000
)

// program holds a stub for each node and a prefix that makes this run's keys its own.
type program struct {
	addresses []string
	stubs     []shoalv1.CacheClient
	prefix    string
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: basics HOST:PORT [HOST:PORT...]")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "basics:", err)
		os.Exit(1)
	}
}

func run(addresses []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	it := program{addresses: addresses, prefix: fmt.Sprintf("go:%d:", time.Now().UnixNano())}
	for _, address := range addresses {
		connection, err := connect(address)
		if err != nil {
			return err
		}
		defer connection.Close()
		it.stubs = append(it.stubs, shoalv1.NewCacheClient(connection))
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"set, get", it.setAndGet},
		{"incr", it.increment},
		{"mget", it.getMany},
		{"any node", it.askAnyNode},
		{"large", it.getLargeValues},
		{"fill", it.fill},
		{"error", it.readAnError},
		{"retry", it.obeyABound},
	} {
		stepContext, cancel := context.WithTimeout(ctx, timeout)
		said, err := step.do(stepContext)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("%-9s %s\n", step.name+":", said)
	}
	return nil
}

func connect(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerBytesMax)))
}

func (it program) key(name string) []byte { return []byte(it.prefix + name) }

func (it program) setAndGet(ctx context.Context) (string, error) {
	stub, key := it.stubs[0], it.key("product:42")
	stored, err := stub.Set(ctx, &shoalv1.SetRequest{
		Key: key, Value: []byte("a kettle"), TtlMs: 600_000,
	})
	if err != nil {
		return "", err
	}
	found, err := stub.Get(ctx, &shoalv1.GetRequest{Key: key})
	if err != nil {
		return "", err
	}
	if found.GetStatus() != shoalv1.Status_HIT || string(found.GetValue()) != "a kettle" {
		return "", fmt.Errorf("expected the value that was set, got %v", found)
	}
	// A miss is an answer, not an error.
	missed, err := stub.Get(ctx, &shoalv1.GetRequest{Key: it.key("product:43")})
	if err != nil {
		return "", err
	}
	if missed.GetStatus() != shoalv1.Status_MISS {
		return "", fmt.Errorf("expected a miss, got %v", missed)
	}
	version := stored.GetVersion()
	return fmt.Sprintf("%s %q, version %d.%d; a key that is not there is a %s", found.GetStatus(),
		found.GetValue(), version.GetEpoch(), version.GetSeq(), missed.GetStatus()), nil
}

func (it program) increment(ctx context.Context) (string, error) {
	delta := int64(-1)
	// The id makes it safe to send this again after an answer that was lost: it counts once.
	request := &shoalv1.IncrRequest{
		Key: it.key("stock:42"), Delta: &delta, Initial: 100, RequestId: it.key("order:1"),
	}
	for range 2 {
		left, err := it.stubs[0].Incr(ctx, request)
		if err != nil {
			return "", err
		}
		if left.GetValue() != 99 {
			return "", fmt.Errorf("expected 99, got %d", left.GetValue())
		}
	}
	return "99 left of 100, though the order was sent twice", nil
}

func (it program) getMany(ctx context.Context) (string, error) {
	stored, err := it.stubs[0].MSet(ctx, &shoalv1.MSetRequest{Entries: []*shoalv1.SetRequest{
		{Key: it.key("a"), Value: []byte("1")},
		{Key: it.key("c"), Value: []byte("3")},
	}})
	if err != nil {
		return "", err
	}
	for _, result := range stored.GetResults() {
		if result.GetError() != nil {
			return "", errors.New(result.GetError().GetMessage())
		}
	}
	found, err := it.stubs[0].MGet(ctx, &shoalv1.MGetRequest{
		Keys: [][]byte{it.key("a"), it.key("b"), it.key("c")},
	})
	if err != nil {
		return "", err
	}
	var told []string
	for _, entry := range found.GetEntries() {
		told = append(told, fmt.Sprintf("%s %q", entry.GetStatus(), entry.GetValue()))
	}
	said := strings.Join(told, ", ")
	if said != `HIT "1", MISS "", HIT "3"` {
		return "", fmt.Errorf("got %s", said)
	}
	return said + ", in the order asked", nil
}

// askAnyNode writes through one node alone, whoever owns the keys, and reads through every node.
func (it program) askAnyNode(ctx context.Context) (string, error) {
	for i := range keysForOneNode {
		key := it.key(fmt.Sprint("any:", i))
		if _, err := it.stubs[0].Set(ctx, &shoalv1.SetRequest{Key: key, Value: key}); err != nil {
			return "", err
		}
	}
	for at, stub := range it.stubs {
		for i := range keysForOneNode {
			key := it.key(fmt.Sprint("any:", i))
			found, err := stub.Get(ctx, &shoalv1.GetRequest{Key: key})
			if err != nil {
				return "", err
			}
			if string(found.GetValue()) != string(key) {
				return "", fmt.Errorf("%s answered %v for %q", it.addresses[at], found, key)
			}
		}
	}
	return fmt.Sprintf("%d keys written through %s, read through each of %d nodes",
		keysForOneNode, it.addresses[0], len(it.stubs)), nil
}

// getLargeValues asks again for what one answer had no room for.
func (it program) getLargeValues(ctx context.Context) (string, error) {
	value := bytes.Repeat([]byte{'v'}, largeValueBytes)
	var missing [][]byte
	for i := range largeValues {
		key := it.key(fmt.Sprint("large:", i))
		if _, err := it.stubs[0].Set(ctx, &shoalv1.SetRequest{Key: key, Value: value}); err != nil {
			return "", err
		}
		missing = append(missing, key)
	}
	answers := 0
	for ; len(missing) > 0; answers++ {
		found, err := it.stubs[0].MGet(ctx, &shoalv1.MGetRequest{Keys: missing})
		if err != nil {
			return "", err
		}
		var again [][]byte
		for i, entry := range found.GetEntries() {
			if entry.GetError().GetReason() == "BATCH_TOO_LARGE" {
				again = append(again, missing[i])
			} else if !bytes.Equal(entry.GetValue(), value) {
				return "", fmt.Errorf("%q: %s %v", missing[i], entry.GetStatus(), entry.GetError())
			}
		}
		if len(again) == len(missing) {
			return "", errors.New("an answer brought nothing")
		}
		missing = again
	}
	return fmt.Sprintf("%d values of 1 MiB came in %d answers", largeValues, answers), nil
}

// fill shows how of all who miss a key at once one loads it, and the others wait for that.
func (it program) fill(ctx context.Context) (string, error) {
	ask := &shoalv1.GetRequest{
		Key: it.key("viral"), Fill: &shoalv1.Fill{LeaseMs: 5_000, WaitMs: 5_000},
	}
	first, err := it.stubs[0].Get(ctx, ask)
	if err != nil {
		return "", err
	}
	if first.GetStatus() != shoalv1.Status_MISS || len(first.GetFillToken()) == 0 {
		return "", fmt.Errorf("expected a miss with a token, got %v", first)
	}
	type answer struct {
		found *shoalv1.GetResponse
		err   error
		after time.Duration
	}
	second := make(chan answer, 1)
	go func() {
		started := time.Now()
		found, err := it.stubs[len(it.stubs)-1].Get(ctx, ask)
		second <- answer{found, err, time.Since(started)}
	}()
	value := loadFromTheDatabase()
	select {
	case early := <-second:
		return "", fmt.Errorf("the second caller was answered before the load: %v", early)
	default:
	}
	_, err = it.stubs[0].Set(ctx, &shoalv1.SetRequest{
		Key: ask.GetKey(), Value: value, TtlMs: 60_000, FillToken: first.GetFillToken(),
	})
	if err != nil {
		return "", err
	}
	waited := <-second
	if waited.err != nil {
		return "", waited.err
	}
	if waited.found.GetStatus() != shoalv1.Status_HIT || string(waited.found.GetValue()) != string(value) {
		return "", fmt.Errorf("expected the loaded value, got %v", waited.found)
	}
	return fmt.Sprintf("the first caller loaded; the second waited %d ms and got %s %q",
		waited.after.Milliseconds(), waited.found.GetStatus(), waited.found.GetValue()), nil
}

// loadFromTheDatabase stands for a query that takes its time.
func loadFromTheDatabase() []byte {
	time.Sleep(200 * time.Millisecond)
	return []byte("loaded once")
}

func (it program) readAnError(ctx context.Context) (string, error) {
	text := it.key("text")
	if _, err := it.stubs[0].Set(ctx, &shoalv1.SetRequest{Key: text, Value: []byte("twelve")}); err != nil {
		return "", err
	}
	_, err := it.stubs[0].Incr(ctx, &shoalv1.IncrRequest{Key: text})
	told := refusal.Of(err)
	if told.Code != codes.InvalidArgument || told.Reason != "NOT_AN_INTEGER" || !told.MayBeRepeated() {
		return "", fmt.Errorf("expected NOT_AN_INTEGER, got %v", err)
	}
	return told.String(), nil
}

// obeyABound begins loads and ends none, until the node says that it is enough, waits for as
// long as the node says, and tries again. All keys have one hash tag, so one partition has them.
func (it program) obeyABound(ctx context.Context) (string, error) {
	greedy, err := connect(it.addresses[0])
	if err != nil {
		return "", err
	}
	defer greedy.Close()
	load := func(stub shoalv1.CacheClient, i int) error {
		_, err := stub.Get(ctx, &shoalv1.GetRequest{
			Key:  fmt.Appendf(nil, "{%sloads}:%d", it.prefix, i),
			Fill: &shoalv1.Fill{LeaseMs: 60_000},
		})
		return err
	}
	begun := 0
	for ; begun < loadsMax; begun++ {
		if err = load(shoalv1.NewCacheClient(greedy), begun); err != nil {
			break
		}
	}
	told := refusal.Of(err)
	if told.Reason != "TOO_MANY_REQUESTS" || told.RetryAfter <= 0 || !told.MayBeRepeated() {
		return "", fmt.Errorf("expected TOO_MANY_REQUESTS with RetryInfo, got %v", err)
	}
	// The end of a connection gives back the tokens that were given over it.
	greedy.Close()
	for told.Reason == "TOO_MANY_REQUESTS" {
		select {
		case <-time.After(told.RetryAfter):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		err = load(it.stubs[0], begun)
		if err == nil {
			return fmt.Sprintf("%d loads at a time, then %s; and that was right", begun, told), nil
		}
		refused := refusal.Of(err)
		if refused.Reason != told.Reason {
			return "", err
		}
		told = refused
	}
	return "", err
}
