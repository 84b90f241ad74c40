#!/bin/sh
# Runs the demo built in the build folder $1 (default: build/release); the models go to $2 (default: a temporary folder).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/release}
out=${2:-$(mktemp -d)}
mkdir -p "$out"
exec "$build/examples/demo" "$out"
