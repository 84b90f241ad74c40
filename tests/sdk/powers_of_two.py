#!/usr/bin/env python3
"""Checks in the output of `qengine info --json` that all activations' scales are powers of two.

usage: powers_of_two.py INFO.json
"""
import json
import math
import sys

with open(sys.argv[1], encoding="utf-8") as f:
    tensors = json.load(f)["quantized_tensors"]
activations = [t for t in tensors if not t["constant"]]
odd = []
for t in activations:
    scales = t["scale"] if isinstance(t["scale"], list) else [t["scale"]]
    odd += ["%s: %r" % (t["name"], s) for s in scales if not math.isclose(math.frexp(s)[0], 0.5, rel_tol=1e-7)]
if odd or not activations:
    sys.exit("FAILED: scales that are no powers of two: %s" % (", ".join(odd) or "there are no activations"))
print("%d activations, all scales are powers of two" % len(activations))
