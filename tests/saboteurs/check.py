#!/usr/bin/env python3
"""Runs `qengine conform` on a saboteur and looks at what it says of the first case that fails.

usage: check.py PLUGIN.so CHECK|CHECK... QENGINE...   (check "": the plugin conforms; QENGINE may be an emulator and its program)
"""
import json
import subprocess
import sys

KERNEL = "gemm_u8s8_4x16__saboteur"


def main():
    plugin, wanted = sys.argv[1:3]
    patience = "2" if "TIMEOUT" in wanted else "20"  # short where it is waited for, long where a busy machine must not matter
    command = sys.argv[3:] + ["conform", plugin, "--suite", "mustpass", "--op", "Gemm", "--timeout", patience, "--jobs", "2", "--json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240, check=False)
    text = run.stdout.decode()
    report = json.loads(text[text.index("{"):])
    print(" ".join(command))
    print("%s; totals %s" % (report["verdict"], report["totals"]))
    if run.returncode != (1 if wanted else 0):
        sys.exit("FAILED: exit code %d\n%s\n%s" % (run.returncode, text, run.stderr.decode()))
    if report["totals"]["cases"] < 16:
        sys.exit("FAILED: only %d cases" % report["totals"]["cases"])
    if not wanted:
        kernel = report["kernels"][0]
        if report["failures"] or kernel["name"] != KERNEL or kernel["observed"] != "E0":
            sys.exit("FAILED: expected %s at E0, found %s" % (KERNEL, kernel))
        return
    first = report["failures"][0]
    print("%(verdict)s %(case)s" % first)
    print(first.get("detail", ""))
    said = first["check"] if first["verdict"] == "FAIL" else first["verdict"]
    if first["kernel"] != KERNEL or said not in wanted.split("|"):
        sys.exit("FAILED: kernel %s, %s; expected %s, %s" % (first["kernel"], said, KERNEL, wanted))


main()
