#!/bin/sh
# Every public header compiles alone, as C99, C11 and C++: headers.sh INCLUDE_DIR CC
set -eu
include=$1 cc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings="-Wall -Wextra -Wpedantic -Werror"
cxx=
for candidate in c++ g++ clang++; do
  command -v "$candidate" >/dev/null 2>&1 && cxx=$candidate && break
done
[ -n "$cxx" ] || echo "no C++ compiler: headers are not tried as C++"
failed=0 count=0

try() { # try LABEL COMMAND...: prints what the compiler said when it fails
  label=$1
  shift
  count=$((count + 1))
  "$@" >"$work/out" 2>&1 && return 0
  failed=$((failed + 1))
  echo "FAILED: $label"
  cat "$work/out"
}

for header in $(cd "$include" && find . -name '*.h' | sed 's|^\./||' | sort); do
  printf '#include <%s>\n#include <%s>\nint qe_header_test;\n' "$header" "$header" >"$work/test.c"
  cp "$work/test.c" "$work/test.cc"
  try "$header as C99" "$cc" -std=c99 $warnings -I"$include" -c "$work/test.c" -o "$work/test.o"
  try "$header as C11" "$cc" -std=c11 $warnings -Wstrict-prototypes -I"$include" -c "$work/test.c" -o "$work/test.o"
  if [ -n "$cxx" ]; then
    try "$header as C++11" "$cxx" -std=c++11 $warnings -I"$include" -c "$work/test.cc" -o "$work/test.o"
    try "$header as C++20" "$cxx" -std=c++20 $warnings -I"$include" -c "$work/test.cc" -o "$work/test.o"
  fi
  # Only the C library's headers may be needed beside our own.
  if grep -nE '^ *# *include' "$include/$header" | grep -vE '<(stddef|stdint)\.h>|"qengine(_plugin\.h|/[a-z_]+\.h)"'; then
    failed=$((failed + 1))
    echo "FAILED: $header includes the above; public headers need stddef.h, stdint.h and one another only"
  fi
done
echo "$count compilations, $failed failures"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
