#!/bin/sh
# Packages into node_modules/, types out of protos/ into gen/, JavaScript into build/. Needs
# Node 20 or later and npm.
set -eu
cd "$(dirname "$0")"
npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
npm run --silent build
