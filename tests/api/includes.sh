#!/bin/sh
# The include law: api/include <- core <- api/cli, tests, bench; a plugin sees the plugin header, its own files, the C
# library and SLEEF; the engines for processors also what they share (plugins/cpu). includes.sh SOURCE_DIR
set -eu
cd "$1"
failed=0

# forbid WHAT PATTERN FOLDER...: no source of the folders may include what the pattern matches
forbid() {
  what=$1 pattern=$2
  shift 2
  for folder in "$@"; do
    [ -d "$folder" ] || continue
    if grep -rnE --include='*.c' --include='*.h' --include='*.def' --include='*.inl' "^ *# *include +$pattern" "$folder"; then
      echo "FAILED: $what ($folder)"
      failed=$((failed + 1))
    fi
  done
}

forbid "core must not include api/cli, plugins or tests" '"(\.\./)*(cli|plugins|reference|tests|api)/' core
forbid "core includes its own headers by their path from core/" '"\.\.' core
forbid "public headers must not include core" '"(base|tensor|graph|registry|engine|runtime|observe|qconfig|flow|onnx|data|report|train)/' api/include
forbid "examples use the public API only" '"(base|tensor|graph|registry|engine|runtime|observe|qconfig|flow|onnx|data|report|train)/' examples

# Plugins: <header of the C library or the compiler's intrinsics>, <sleef.h>, "qengine_plugin.h", "own file".
libc='assert|complex|ctype|errno|fenv|float|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time|immintrin|arm_neon|arm_acle|cpuid|sleef'
for plugin in plugins/*/; do
  [ -d "$plugin" ] || continue
  grep -rnE --include='*.c' --include='*.h' --include='*.def' --include='*.inl' '^ *# *include' "$plugin" |
    sed -nE "s/^([^:]+:[0-9]+): *# *include +(.*)$/\1 \2/p" | {
    bad=0
    while read -r place header rest; do
      case $header in
        '"qengine_plugin.h"' | '<qengine_plugin.h>') continue ;;
        \"*) file=${header#\"}; file=${file%\"*}
             folder=$(dirname "${place%%:*}")
             # found beside the file, else from the plugin's folder, else in what engines for processors share
             [ -f "$folder/$file" ] || folder=${plugin%/}
             [ -f "$folder/$file" ] || folder=plugins/cpu
             # what the shared part includes comes from the engine that is built with it: each of them has to have it
             [ "$plugin" = plugins/cpu/ ] && [ -f "plugins/fbgemm_x86/$file" ] && [ -f "plugins/qnnpack_arm/$file" ] && continue
             [ -f "$folder/$file" ] && case $(realpath --relative-to=. "$folder/$file") in "$plugin"* | plugins/cpu/*) continue ;; esac ;;
        \<*) name=${header#<}; name=${name%.h>*}
             echo "$name" | grep -qxE "$libc" && continue ;;
        *) continue ;; # a macro
      esac
      echo "$place includes $header"
      bad=1
    done
    exit $bad
  } || {
    echo "FAILED: a plugin includes qengine_plugin.h, its own files, the C library and SLEEF only ($plugin)"
    failed=$((failed + 1))
  }
done
[ "$failed" -eq 0 ] && echo "include law holds"
