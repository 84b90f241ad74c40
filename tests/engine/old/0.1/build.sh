#!/bin/sh
# How old_engine.so was made, on x86-64, with gcc 12.2 of Debian 12. It is not made again: that it stays is the test.
set -eu
cd "$(dirname "$0")"
gcc -std=c99 -O2 -fPIC -fvisibility=hidden -fno-tree-loop-distribute-patterns -shared -nostdlib -s -Wl,-z,max-page-size=4096 \
  -Wl,--build-id=none -o "${1:-old_engine.so}" old_engine.c
