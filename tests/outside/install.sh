#!/bin/sh
# Installs a build into a temporary prefix, moves it, and uses only that copy: by CMake, by pkg-config, the command itself.
# install.sh BUILD_DIR CONSUMER_DIR CC SANITIZERS
set -eu
build=$1 consumer=$2 cc=$3 sanitize=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
unset QENGINE_PLUGIN_PATH QUANTIZED_ENGINE LD_LIBRARY_PATH || true
flags=
[ -z "$sanitize" ] || flags="-fsanitize=$sanitize"

cmake --install "$build" --prefix "$work/first" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
# What was installed must work wherever it is put.
mv "$work/first" "$work/prefix"
prefix=$work/prefix
libdir=$(dirname "$(find "$prefix" -name 'libqengine.so' | head -n 1)")
for file in include/qengine.h include/qengine_plugin.h include/qengine/base.h; do
  [ -f "$prefix/$file" ] || { echo "FAILED: $file was not installed"; exit 1; }
done
[ -f "$libdir/qengine/engines/qe_reference.so" ] || { echo "FAILED: the reference engine was not installed"; exit 1; }
if find "$prefix" -type f \( -perm -020 -o -perm -002 \) | grep .; then
  echo "FAILED: the above can be written by others"
  exit 1
fi

echo "== CMake package"
cp -r "$consumer" "$work/consumer"
cmake -S "$work/consumer" -B "$work/b" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 &&
  cmake --build "$work/b" >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; exit 1; }
"$work/b/consumer" "$prefix" "$work/b/vendor.so"

echo "== pkg-config"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
[ "$(pkg-config --modversion qengine)" = 0.1.0 ] || { echo "FAILED: pkg-config does not know the version"; exit 1; }
# shellcheck disable=SC2046 # the flags are meant to be split
"$cc" $flags -o "$work/by_pkg_config" "$work/consumer/main.c" $(pkg-config --cflags --libs qengine) -Wl,-rpath,"$libdir"
"$work/by_pkg_config" "$prefix"

if [ -x "$prefix/bin/qengine" ]; then
  echo "== command"
  "$prefix/bin/qengine" --version
  "$prefix/bin/qengine" engines >"$work/engines"
  grep -q reference "$work/engines" || { cat "$work/engines"; echo "FAILED: the installed command does not find the reference engine"; exit 1; }
fi
