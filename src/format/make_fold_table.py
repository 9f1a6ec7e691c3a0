#!/usr/bin/env python3
"""Writes path_fold_table.inc: for each code point whose canonical decomposition and case folding is
not itself, what it becomes. Hangul syllables are left out: path_fold decomposes them by arithmetic.
Run by hand when Unicode moves on:  python3 make_fold_table.py > path_fold_table.inc"""
import sys
import unicodedata

WIDTH = 12  # bytes of struct fold_entry.to


def fold(text):
    while True:
        folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
        if folded == text:
            return text
        text = folded


entries = []
for cp in range(0x80, 0x110000):
    if 0xAC00 <= cp <= 0xD7A3 or 0xD800 <= cp <= 0xDFFF:
        continue
    folded = fold(chr(cp))
    if folded != chr(cp):
        raw = folded.encode()
        assert len(raw) <= WIDTH
        entries.append((cp, raw))

print("/* Made by make_fold_table.py from Unicode %s: do not edit. Used by path_fold.c only. */"
      % unicodedata.unidata_version)
print("/* clang-format off */")
line = ""
for cp, raw in entries:
    item = '{0x%x, "%s"}, ' % (cp, "".join("\\%03o" % byte for byte in raw))
    if len(line) + len(item) > 100:
        print(line.rstrip())
        line = ""
    line += item
print(line.rstrip())
sys.stderr.write("%d entries\n" % len(entries))
