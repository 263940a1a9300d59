#!/bin/sh
# A session with one node: examples/grpcurl/session.sh HOST:PORT
set -eu
PATH="$(dirname "$0")/bin:$PATH"
NODE=$1
KEY=$(printf 'product:%s' $$ | base64) # bytes are base64 in JSON
VIRAL=$(printf 'viral:%s' $$ | base64)

# No file is needed: reflection tells the services, and what they take.
grpcurl -plaintext "$NODE" list
grpcurl -plaintext "$NODE" describe shoal.v1.GetRequest

# Is the node ready?
grpcurl -plaintext -d '{"service": "shoal.v1.Cache"}' "$NODE" grpc.health.v1.Health/Check

# A value, for ten minutes; then a key that is not there: a status, not an error.
grpcurl -plaintext -d '{"key": "'"$KEY"'", "value": "'"$(printf kettle | base64)"'", "ttlMs": 600000}' \
	"$NODE" shoal.v1.Cache/Set
grpcurl -plaintext -d '{"key": "'"$KEY"'"}' "$NODE" shoal.v1.Cache/Get
grpcurl -plaintext -d '{"keys": ["'"$KEY"'", "bm9uZQ=="]}' "$NODE" shoal.v1.Cache/MGet

# A counter must hold an integer: the error says why, and that it had no effect.
grpcurl -plaintext -d '{"key": "'"$KEY"'"}' "$NODE" shoal.v1.Cache/Incr 2>&1 || echo "exit code $?"

# Who misses first is given a token to store with what it loads. It is good for as long as the
# connection is there, so here it passes on at once.
grpcurl -plaintext -d '{"key": "'"$VIRAL"'", "fill": {"leaseMs": 5000}}' "$NODE" shoal.v1.Cache/Get

# Many operations on one stream.
grpcurl -plaintext -d '{"id": 1, "operations": [{"incr": {"key": "'"$VIRAL"'"}}, {"get": {"key": "'"$VIRAL"'"}}]}' \
	"$NODE" shoal.v1.Cache/Execute
