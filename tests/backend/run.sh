#!/bin/sh
# run.sh RUN_BACKEND SOURCE_DIR CASES_DIR: generates the cases once, then runs them. 77: python3-onnx is not there.
set -eu
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null || [ ! -d /usr/lib/python3/dist-packages/onnx ]; then
  echo "skipped: Debian's python3-onnx is not installed (apt-get install python3-onnx)"
  exit 77
fi
if [ ! -f "$3/complete" ]; then
  rm -rf "$3"
  /usr/bin/python3 "$2/generate.py" "$3" 2>/dev/null
  touch "$3/complete"
fi
exec "$1" "$3" "$2"
