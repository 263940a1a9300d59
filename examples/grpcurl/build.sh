#!/bin/sh
# grpcurl from its Go module, into bin/. Needs Go; who has grpcurl already needs nothing.
set -eu
cd "$(dirname "$0")"
mkdir -p bin
program="$PWD/bin/grpcurl"
cd ../../tools/grpcurl
go build -o "$program" github.com/fullstorydev/grpcurl/cmd/grpcurl
