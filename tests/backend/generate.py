#!/usr/bin/env python3
"""Writes the ONNX operator tests that Debian's python3-onnx generates: OUT/<case>/model.onnx, input_N.pb, output_N.pb.

usage: generate.py OUT
"""
import os
import sys

import numpy as np

for name, kind in (("bool", bool), ("float", float), ("int", int), ("object", object)):  # python3-onnx predates numpy 1.24
    if name not in np.__dict__:
        setattr(np, name, kind)

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


BFLOAT16 = 16


def tensor(value, info):
    """A TensorProto; bfloat16, which numpy lacks, travels as uint16 and gets its type back from the model."""
    proto = numpy_helper.from_array(np.asarray(value))
    if info.type.tensor_type.elem_type == BFLOAT16 and proto.data_type == onnx.TensorProto.UINT16:
        proto.data_type = BFLOAT16
    return proto.SerializeToString()


def main():
    out = sys.argv[1]
    count = 0
    try:
        cases = collect_testcases()
    except TypeError:
        cases = collect_testcases(None)
    for case in cases:
        if case.model is None or not case.data_sets:
            continue
        inputs, outputs = case.data_sets[0]
        folder = os.path.join(out, case.name)
        try:
            graph = case.model.graph
            blobs = [("input_%d.pb" % i, tensor(v, graph.input[i])) for i, v in enumerate(inputs)]
            blobs += [("output_%d.pb" % i, tensor(v, graph.output[i])) for i, v in enumerate(outputs)]
        except Exception:  # sequences, optionals, strings: no tensors
            continue
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "model.onnx"), "wb") as f:
            f.write(case.model.SerializeToString())
        for name, blob in blobs:
            with open(os.path.join(folder, name), "wb") as f:
                f.write(blob)
        with open(os.path.join(folder, "tolerance"), "w") as f:
            f.write("%.9g %.9g\n" % (case.rtol, case.atol))
        with open(os.path.join(folder, "ops"), "w") as f:
            f.write(" ".join(sorted({(n.domain + "." if n.domain else "") + n.op_type for n in case.model.graph.node})) + "\n")
        count += 1
    print("%d operator tests" % count)


if __name__ == "__main__":
    main()
