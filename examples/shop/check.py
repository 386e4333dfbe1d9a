#!/usr/bin/python3
"""Holds the causes that a replay reported against the bugs that were seeded.   check.py RESULT.json BUG.patch..."""
import json
import sys

causes = json.load(open(sys.argv[1], encoding="utf-8"))["causes"]
wrong = len(causes) != len(sys.argv) - 2
for path in sys.argv[2:]:
    expected = [line[8:].strip() for line in open(path, encoding="utf-8") if line.startswith("Expect: ")][0]
    found = [c for c in causes if expected in c["title"]]
    print(f"  {'found' if len(found) == 1 else 'MISSED'}: {expected}")
    wrong = wrong or len(found) != 1
if wrong:
    print("reported were:", *[f"  {c['title']}" for c in causes], sep="\n")
    sys.exit(1)
print(f"the report names exactly those {len(causes)}")
