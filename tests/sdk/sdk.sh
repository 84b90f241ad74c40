#!/bin/sh
# What a vendor does, with an installed copy alone: a new plugin and the example are built, tested and used.
# sdk.sh BUILD_DIR SOURCE_DIR CC SANITIZERS MODEL_MAKER
set -eu
build=$1 source=$2 cc=$3 sanitize=$4 make_model=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
unset QENGINE_PLUGIN_PATH QUANTIZED_ENGINE LD_LIBRARY_PATH || true
flags="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror"
[ -z "$sanitize" ] || flags="$flags -fsanitize=$sanitize"

fail() { echo "FAILED: $*"; exit 1; }
# quiet COMMAND...: its output only when it fails
quiet() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }; }
# refused CODE TEXT COMMAND...: must fail with this code and say the text
refused() {
  code=$1 text=$2
  shift 2
  set +e
  "$@" >"$work/log" 2>&1
  got=$?
  set -e
  [ "$got" = "$code" ] && grep -q -e "$text" "$work/log" || { cat "$work/log"; fail "$*: code $got, expected $code and '$text'"; }
}
# build_plugin FOLDER NAME: builds, conforms, is found
build_plugin() {
  quiet cmake -S "$1" -B "$1/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$work/prefix"
  quiet cmake --build "$1/build"
  [ "$(nm -D --defined-only "$1/build/$2.so" | grep -v -e __asan -e __odr -e ' [wV] ' | awk '{print $3}')" = qe_plugin_query ] ||
    fail "$2.so exports other symbols than qe_plugin_query"
  echo "== conform $2"
  "$qengine" conform "$1/build/$2.so" --json >"$work/conform.json" || { cat "$work/conform.json"; fail "$2 does not conform"; }
  "$qengine" engines --json >"$work/engines.json"
  ! grep -q "\"$2\"" "$work/engines.json" || fail "$2 is found without being on the path"
  QENGINE_PLUGIN_PATH=$1/build "$qengine" engines >"$work/engines"
  grep -E "$2 +yes" "$work/engines" || { cat "$work/engines"; fail "$2 is not usable"; }
}

quiet cmake --install "$build" --prefix "$work/prefix"
qengine=$work/prefix/bin/qengine
cd "$work"

echo "== plugin new"
quiet "$qengine" plugin new fresh
quiet grep -q '"fresh"' fresh/fresh.c
! grep -r my_engine fresh || fail "the skeleton's own name is left in the above"
refused 1 "fresh exists already" "$qengine" plugin new fresh
refused 2 "cannot be an engine's name" "$qengine" plugin new Fresh
refused 2 "cannot be an engine's name" "$qengine" plugin new 'a/b'
refused 2 "cannot be an engine's name" "$qengine" plugin new ''
refused 2 "cannot be an engine's name" "$qengine" plugin new abcdefghijklmnopqrstuvwxyz_12345
refused 2 "own name" "$qengine" plugin new reference
refused 1 "cannot be made" "$qengine" plugin new fresh2 --dir nowhere
refused 2 "is not 'new'" "$qengine" plugin old fresh2
mkdir elsewhere
quiet "$qengine" plugin new abcdefghijklmnopqrstuvwxyz_1234 --dir elsewhere
quiet "$qengine" plugin new 7up --dir elsewhere --json
quiet cmake -S elsewhere/7up -B elsewhere/7up/build -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$work/prefix"
quiet cmake --build elsewhere/7up/build
build_plugin "$work/fresh" fresh

echo "== the example"
cp -r "$source/examples/vendor_plugin" acme
build_plugin "$work/acme" acme
export QENGINE_PLUGIN_PATH="$work/acme/build"
"$make_model" made.onnx made.npy shapes.onnx shapes.npy
# use QCONFIG MODEL DATA: quantized by the plugin's observer, the same result on both engines, steps on acme
use() {
  quiet "$qengine" quantize "$2" -o int8.onnx --flow static --qconfig "$1" --calib "$3" --force
  for engine in acme reference; do quiet "$qengine" run int8.onnx --input "$3" --output-dir "out_$engine" --engine "$engine" --force; done
  diff -r out_acme out_reference || fail "$2: acme and reference differ"
  "$qengine" explain int8.onnx --engine acme >explain
  grep -E "(gemm|matmul)_u8s8_6x16__(c|avx2)" explain >/dev/null || { cat explain; fail "$2: nothing runs on acme"; }
  "$qengine" info int8.onnx --json >info.json
  "$source/tests/sdk/powers_of_two.py" info.json
}
use acme/qconfig.json made.onnx made.npy
use acme shapes.onnx shapes.npy
unset QENGINE_PLUGIN_PATH
refused 1 "no observer is named 'acme_pow2'" "$qengine" quantize made.onnx -o no.onnx --flow static --qconfig acme/qconfig.json --calib made.npy
refused 5 "no engine is called 'acme'" "$qengine" run int8.onnx --input shapes.npy --output-dir no --engine acme
echo ok
