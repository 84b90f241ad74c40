// Quantizes a float model with qengine in both export forms, runs the files in ONNX Runtime and in qengine, and compares.
//
// usage: node interop.js QENGINE MODEL.onnx CALIB INPUT.npy WORK_DIR [extra quantize arguments]
// Fails when a file does not load in ONNX Runtime or an output differs by more than one quantum.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');
const { readNpy } = require('./npy.js');

const run = (...args) => execFileSync(args[0], args.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 });

// The scale of the DequantizeLinear that makes the output, or 1 when the output is integer codes.
function quantum(qengine, file, output) {
  const info = JSON.parse(run(qengine, 'info', '--json', '-v', file));
  const q = info.quantized_tensors.find((t) => t.name === `${output}_quantized`) || info.quantized_tensors.find((t) => t.name === output);
  return q ? q.scale[0] : null;
}

async function main() {
  const [qengine, model, calib, input, work, ...extra] = process.argv.slice(2);
  fs.mkdirSync(work, { recursive: true });
  let failed = 0;
  for (const format of ['qdq', 'qoperator']) {
    const file = path.join(work, `${path.basename(model, '.onnx')}_${format}.onnx`);
    const dir = path.join(work, format);
    run(qengine, 'quantize', model, '-o', file, '--flow', 'static', '--calib', calib, '--format', format, '--force', '-q', ...extra);
    fs.rmSync(dir, { recursive: true, force: true });
    run(qengine, 'run', file, '--input', input, '--output-dir', dir, '-q');
    const x = readNpy(input);
    for (const level of ['all', 'disabled']) {
      const session = await ort.InferenceSession.create(file, {
        graphOptimizationLevel: level, intraOpNumThreads: 1, logSeverityLevel: 3,
        extra: { session: { x64quantprecision: '1' } },
      });
      const feeds = { [session.inputNames[0]]: new ort.Tensor(x.type, x.data, x.dims) };
      const results = await session.run(feeds);
      for (const name of session.outputNames) {
        const ours = readNpy(path.join(dir, `${name}.npy`)).data;
        const theirs = results[name].data;
        const step = quantum(qengine, file, name);
        if (ours.length !== theirs.length) throw new Error(`${name}: ${ours.length} elements, ONNX Runtime has ${theirs.length}`);
        let equal = 0;
        let worst = 0;
        for (let i = 0; i < ours.length; i++) {
          equal += ours[i] === theirs[i];
          worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
        }
        const quanta = step ? worst / step : worst;
        const ok = quanta <= 1.001;
        failed += !ok;
        console.log(`${ok ? 'ok  ' : 'FAIL'} ${path.basename(file)} ${name}, ONNX Runtime optimizations ${level}: ` +
          `${((100 * equal) / ours.length).toFixed(3)} % of ${ours.length} elements equal, largest difference ${quanta.toFixed(2)} quanta`);
      }
      await session.release();
    }
  }
  process.exit(failed ? 1 : 0);
}

main().catch((e) => {
  console.error(e.message || e);
  process.exit(1);
});
