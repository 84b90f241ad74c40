#!/usr/bin/env python3
"""Makes a later qengine_plugin.h out of the present one, to test how plugins and hosts of different age meet.

usage: bump_header.py minor|major qengine_plugin.h OUTPUT

minor: QE_ABI_MINOR + 1, and a field appended to every structure that may grow. major: QE_ABI_MAJOR + 1.
"""
import re
import sys

# It is part of qe_kernel by value, so it never grows.
FIXED = ("qe_kernel_key",)
FIELD = "  uint64_t appended_by_test[2];\n"


def bump(text, name):
    found = re.search(r"#define %s +(\d+)" % name, text)
    if not found:
        sys.exit("no %s in the header" % name)
    return text[:found.start(1)] + str(int(found.group(1)) + 1) + text[found.end(1):]


def main():
    kind, source, target = sys.argv[1:]
    text = open(source, encoding="utf-8").read()
    if kind == "major":
        text = bump(text, "QE_ABI_MAJOR")
    else:
        text = bump(text, "QE_ABI_MINOR")
        text, count = re.subn(r"^\} (qe_\w+);$",
                              lambda m: m.group(0) if m.group(1) in FIXED else FIELD + m.group(0), text, flags=re.M)
        if count < 10:
            sys.exit("only %d structures were found in the header" % count)
        text = text.replace("#include <stddef.h>", "#define QE_ABI_APPENDED_BY_TEST 1\n#include <stddef.h>", 1)
    open(target, "w", encoding="utf-8").write(text)


if __name__ == "__main__":
    main()
