// Arrays of npy files: element type by ONNX Runtime's name, dims, data.
'use strict';
const fs = require('fs');

const TYPES = { '<f4': ['float32', Float32Array], '|u1': ['uint8', Uint8Array], '|i1': ['int8', Int8Array], '<i4': ['int32', Int32Array],
  '<i8': ['int64', BigInt64Array] };

function readNpy(file) {
  const b = fs.readFileSync(file);
  if (b.subarray(0, 6).toString('latin1') !== '\x93NUMPY') throw new Error(`${file}: not an npy file`);
  const wide = b[6] > 1;
  const length = wide ? b.readUInt32LE(8) : b.readUInt16LE(8);
  const start = (wide ? 12 : 10) + length;
  const header = b.subarray(wide ? 12 : 10, start).toString('latin1');
  const descr = /'descr':\s*'([^']+)'/.exec(header)[1];
  const dims = /'shape':\s*\(([^)]*)\)/.exec(header)[1].split(',').map((s) => s.trim()).filter(Boolean).map(Number);
  const [type, Kind] = TYPES[descr];
  const bytes = new Uint8Array(b.subarray(start));
  return { type, dims, data: new Kind(bytes.buffer, 0, bytes.length / Kind.BYTES_PER_ELEMENT) };
}

module.exports = { readNpy };
