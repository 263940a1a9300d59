#!/bin/sh
# Stubs out of protos/, into gen/; programs, into bin/. Needs Go and protoc.
set -eu
cd "$(dirname "$0")"
protoc --proto_path=../../protos \
	--plugin=protoc-gen-go="$(go tool -n protoc-gen-go)" \
	--plugin=protoc-gen-go-grpc="$(go tool -n protoc-gen-go-grpc)" \
	--go_out=. --go_opt=module=shoal.dev \
	--go-grpc_out=. --go-grpc_opt=module=shoal.dev \
	shoal/v1/cache.proto shoal/v1/topology.proto
mkdir -p bin
go vet ./...
go test ./...
go build -o bin/ ./basics ./routed
