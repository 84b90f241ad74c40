#!/bin/sh
# The plugin ABI's layout is the recorded one: plugin_abi.sh PROGRAM GOLDEN
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" >"$work/now"
if diff -u "$2" "$work/now"; then
  echo "$(wc -l <"$2") facts unchanged"
  exit 0
fi
echo "FAILED: the layout of qengine_plugin.h differs from $2 (lines with - are recorded, lines with + are found)."
echo "Vendors' binaries depend on it. If it must change: bump QE_ABI_MINOR (fields appended) or QE_ABI_MAJOR (anything else)"
echo "and record the new layout in the same commit:  $1 > $2"
exit 1
