#!/bin/sh
# run.sh QENGINE MODEL_MAKER DYNAMIC_MAKER SOURCE_DIR WORK_DIR PROJECT_DIR: installs onnxruntime-node once, then compares. 77: not possible here.
set -eu
qengine=$1 maker=$2 dynamic=$3 source=$4 work=$5 project=$6
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "skipped: node and npm are not installed"
  exit 77
fi
cp "$source/package.json" "$source"/*.js "$work/"
if [ ! -d "$work/node_modules/onnxruntime-node" ]; then
  # its install script only fetches GPU libraries; the CPU runtime is in the package
  if ! (cd "$work" && npm install --ignore-scripts --no-audit --no-fund >npm.log 2>&1); then
    echo "skipped: npm could not install onnxruntime-node (see $work/npm.log)"
    exit 77
  fi
fi
cd "$work"
"$maker" made.onnx made.npy shapes.onnx shapes.npy recurrent.onnx recurrent.npy
node interop.js "$qengine" made.onnx made.npy made.npy "$work/made"
node interop.js "$qengine" recurrent.onnx recurrent.npy recurrent.npy "$work/recurrent" --batch 20
node interop.js "$qengine" shapes.onnx shapes.npy shapes.npy "$work/shapes"
mkdir -p "$work/dynamic"
"$dynamic" "$work/dynamic" >"$work/dynamic/files.txt"
node dynamic.js "$qengine" "$work/dynamic" <"$work/dynamic/files.txt"
models=$project/../shared/models
if [ -d "$models" ]; then
  for m in digits_resnet digits_mobilenet; do
    node interop.js "$qengine" "$models/$m.onnx" "$models/${m}_input.npy" "$models/${m}_input.npy" "$work/$m"
  done
  # a code that rounds the other way moves everything behind it
  dynamic_model() { # NAME INPUT...
    m=$1 line="$1.onnx 0.02"
    shift
    "$qengine" quantize "$models/$m.onnx" -o "$work/dynamic/$m.onnx" --flow dynamic --force -q
    for i in "$@"; do
      cp "$models/${m}_$i.npy" "$work/dynamic/"
      line="$line $i=${m}_$i.npy"
    done
    echo "$line" | node dynamic.js "$qengine" "$work/dynamic"
  }
  dynamic_model tiny_transformer tokens
  dynamic_model char_lstm tokens h0 c0
else
  echo "skipped: no models at $models; the made ones were compared"
fi
