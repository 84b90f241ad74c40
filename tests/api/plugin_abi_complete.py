#!/usr/bin/env python3
"""Every structure, field and constant of qengine_plugin.h is in the recorded layout.

usage: plugin_abi_complete.py qengine_plugin.h plugin_abi.golden
"""
import re
import sys


def members(body):
    """Names that a structure's body declares."""
    body = re.sub(r"\(\*(\w+)\)\s*\([^;]*\)\s*;", r"\1;", body)  # a pointer to a function
    for statement in body.split(";"):
        for part in statement.split(","):
            found = re.search(r"(\w+)\s*(\[[^\]]*\])*\s*$", part.strip())
            if found:
                yield found.group(1)


def main():
    header, golden = sys.argv[1:]
    text = re.sub(r"/\*.*?\*/", " ", open(header, encoding="utf-8").read(), flags=re.S)
    recorded, struct = set(), None
    for line in open(golden, encoding="utf-8"):
        words = line.split()
        if words[0] == "struct":
            struct = words[1]
            recorded.add(struct)
        else:
            recorded.add(words[1] if words[0] == "value" else struct + "." + words[0])
    wanted = set()
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, flags=re.S):
        wanted.add(name)
        wanted.update(name + "." + field for field in members(body))
    for body in re.findall(r"\benum\s*\{(.*?)\}", text, flags=re.S):
        wanted.update(re.findall(r"\b(QE_\w+)\s*=", body))
    # Macros that say how to build, not what lies where.
    other = ("QENGINE_PLUGIN_H", "QE_PLUGIN_QUERY_SYMBOL", "QE_PLUGIN_SANITIZER")
    wanted.update(name for name in re.findall(r"# *define (\w+)", text) if name not in other)
    missing, unknown = sorted(wanted - recorded), sorted(recorded - wanted)
    if len(wanted) < 200:
        sys.exit("FAILED: only %d facts were found in the header" % len(wanted))
    if missing or unknown:
        sys.exit("FAILED: in the header, not in the recorded layout: %s; the other way round: %s" % (missing, unknown))
    print("%d facts of the header are recorded" % len(wanted))


if __name__ == "__main__":
    main()
