#!/bin/sh
# libqengine exports what the headers declare (QE_API) and nothing else; a plugin exports qe_plugin_query and nothing else.
# symbols.sh LIBQENGINE INCLUDE_DIR ENGINE_DIR
set -eu
library=$1 include=$2 engines=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# Names a sanitizer or the coverage runtime puts into every object are not ours.
exported() { nm -D --defined-only --format=posix "$1" | awk '{print $1}' | sed 's/@.*//' | grep -vE '^(__asan|__ubsan|__tsan|__odr_asan|__sanitizer|__sancov|QENGINE_[0-9.]*$)' | sort -u; }

exported "$library" >"$work/have"
# Declarations start with QE_API and may run over several lines.
sed 's://.*$::' "$include"/qengine/*.h | tr '\n' ' ' | grep -oE 'QE_API [^;]*;' |
  grep -oE '\bqe_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/declared_calls"
grep -E '^qe_' "$work/declared_calls" >"$work/want"

if grep -vE '^qe_[a-z]' "$work/have"; then
  echo "FAILED: the above must not be exported from $library"
  failed=1
fi
comm -13 "$work/have" "$work/want" >"$work/missing"
if [ -s "$work/missing" ]; then
  cat "$work/missing"
  echo "FAILED: declared with QE_API, but not exported (not written yet, or named otherwise)"
  failed=1
fi
comm -23 "$work/have" "$work/want" >"$work/extra"
if [ -s "$work/extra" ]; then
  cat "$work/extra"
  echo "FAILED: exported, but no public header declares it"
  failed=1
fi
for plugin in "$engines"/*.so; do
  [ -f "$plugin" ] || continue
  exported "$plugin" >"$work/plugin"
  if [ "$(cat "$work/plugin")" != qe_plugin_query ]; then
    cat "$work/plugin"
    echo "FAILED: $plugin exports the above, expected qe_plugin_query alone"
    failed=1
  fi
done
[ "$failed" -eq 0 ] && echo "$(wc -l <"$work/have") functions exported"
