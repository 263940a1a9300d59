#!/bin/sh
# Stubs out of protos/ and the program, into build/. Needs g++, cmake, pkg-config and Debian's
# libgrpc++-dev and protobuf-compiler-grpc, or their like.
set -eu
cd "$(dirname "$0")"
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build --parallel 2 >/dev/null
