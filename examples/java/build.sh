#!/bin/sh
# Stubs out of protos/ and the program, into target/. Needs a JDK of 17 or later and Maven.
set -eu
cd "$(dirname "$0")"
mvn --batch-mode --quiet -Dstyle.color=never package
