#!/usr/bin/env python3
"""Looks at every text file of the project: tabs, trailing blanks, ends of files, length, invisible characters, words.

usage: check.py SOURCE_DIR
"""
import os
import subprocess
import sys
import unicodedata

SOURCES = (".c", ".h", ".def", ".inl")
TEXTS = SOURCES + (".py", ".sh", ".md", ".txt", ".cmake", ".in", ".json", ".map", ".js", ".html", ".proto")
MAX_LINES = 800
# Written in two parts, or this file would find itself.
FORBIDDEN = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
OPEN_SOURCE_TEXTS = ("LICENSE",)


def tracked(root):
    """Files git knows or would add; without git, all files that are not in build folders."""
    try:
        out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True).stdout
        return [p for p in out.decode().split("\0") if p]
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if not f.startswith((".", "build", "node_modules"))]
            found += [os.path.relpath(os.path.join(folder, n), root) for n in names]
        return found


def is_text(path):
    base = os.path.basename(path)
    return path.endswith(TEXTS) or base in ("CMakeLists.txt", "LICENSE") or path.startswith("scripts/") or path == ".ci/run"


def invisible(char):
    return char not in "\n\t" and (unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn", "Cs") or char in "\u00a0\u2028\u2029")


def check(path, data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        return [(0, "is not UTF-8: %s" % e)]
    faults = []
    if not text:
        return [(0, "is empty")]
    if not text.endswith("\n") or text.endswith("\n\n"):
        faults.append((text.count("\n"), "must end with exactly one newline"))
    lines = text.split("\n")
    if path.endswith(SOURCES) and len(lines) - 1 > MAX_LINES:
        faults.append((len(lines), "has %d lines, more than %d: split it" % (len(lines) - 1, MAX_LINES)))
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            faults.append((number, "carriage return"))
        if "\t" in line:
            faults.append((number, "tab"))
        if line != line.rstrip() and os.path.basename(path) not in OPEN_SOURCE_TEXTS:
            faults.append((number, "trailing blank"))
        for char in line:
            if invisible(char):
                faults.append((number, "invisible character U+%04X" % ord(char)))
        if path.endswith(SOURCES):
            words = line.replace("_", " ").replace("(", " ").replace(":", " ").replace("*", " ").split()
            faults += [(number, "the word %s" % w) for w in FORBIDDEN if w in words]
            if line.strip() == "#if 0":
                faults.append((number, "code that is never compiled: delete it"))
    if path.endswith((".c", ".h")) and not text.lstrip().startswith("/*"):
        faults.append((1, "a source starts with a comment that says what it is for"))
    return faults


def main():
    root = sys.argv[1]
    count = failures = 0
    for path in sorted(tracked(root)):
        full = os.path.join(root, path)
        if not is_text(path) or "/corpus/" in path or not os.path.isfile(full):
            continue
        with open(full, "rb") as f:
            data = f.read()
        count += 1
        for number, what in check(path, data):
            print("%s:%d: %s" % (path, number, what))
            failures += 1
    print("%d files, %d faults" % (count, failures))
    return 1 if failures or not count else 0


sys.exit(main())
