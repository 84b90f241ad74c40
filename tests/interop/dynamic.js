// Runs the files that interop_dynamic wrote in ONNX Runtime and in qengine, and compares.
//
// usage: node dynamic.js QENGINE WORK_DIR < what interop_dynamic printed
// Fails when a file does not load in ONNX Runtime or an output differs by more than its line allows.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');
const { readNpy } = require('./npy.js');

async function compare(qengine, work, line) {
  const [file, allowed, ...inputs] = line.split(' ');
  const model = path.join(work, file);
  const dir = path.join(work, path.basename(file, '.onnx'));
  fs.rmSync(dir, { recursive: true, force: true });
  const named = inputs.map((i) => `--input=${i.replace('=', `=${work}/`)}`);
  execFileSync(qengine, ['run', model, ...named, '--output-dir', dir, '-q'], { stdio: ['ignore', 'ignore', 'inherit'] });
  let ok = true;
  for (const level of ['all', 'disabled']) {
    const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: level, intraOpNumThreads: 1, logSeverityLevel: 3 });
    const feeds = {};
    for (const i of inputs) {
      const [name, npy] = i.split('=');
      const x = readNpy(path.join(work, npy));
      feeds[name] = new ort.Tensor(x.type, x.data, x.dims);
    }
    const results = await session.run(feeds);
    for (const name of session.outputNames) {
      const ours = readNpy(path.join(dir, `${name}.npy`));
      const theirs = results[name];
      const same = ours.dims.join() === theirs.dims.join();
      let worst = 0;
      let largest = 0;
      for (let i = 0; i < ours.data.length; i++) {
        worst = Math.max(worst, Math.abs(ours.data[i] - theirs.data[i]));
        largest = Math.max(largest, Math.abs(theirs.data[i]));
      }
      const good = same && worst <= Number(allowed) * largest && largest > 0;
      ok = ok && good;
      console.log(`${good ? 'ok  ' : 'FAIL'} ${file} ${name}, ONNX Runtime optimizations ${level}: [${ours.dims}]${same ? '' : ` / [${theirs.dims}]`}, ` +
        `largest difference ${(worst / largest).toExponential(1)} of the largest result (allowed ${allowed})`);
    }
    await session.release();
  }
  return ok;
}

async function main() {
  const [qengine, work] = process.argv.slice(2);
  let failed = 0;
  for (const line of fs.readFileSync(0, 'utf8').trim().split('\n')) failed += !(await compare(qengine, work, line));
  process.exit(failed ? 1 : 0);
}

main().catch((e) => {
  console.error(e.message || e);
  process.exit(1);
});
