"""What a GoogleTest binary says about its cases."""

import dataclasses
import re

_MARK = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] (\S+?)(?:,| \(|$)")


@dataclasses.dataclass
class Summary:
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)  # (name, reason)
    died: bool = False  # without its summary: cases behind the last one did not run
    seen: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def parse(output, ending_ok):
    """ending_ok: the binary ended with 0. A binary that dies without its summary is a failure of the
    case that was running, and the cases before it still count."""
    lines = output.splitlines()
    tail = next((i for i, l in enumerate(lines) if re.match(r"^\[=+\] .* ran\.", l)), None)
    summary = Summary()
    running, began = None, 0
    for i, line in enumerate(lines[:tail]):
        mark = _MARK.match(line)
        if not mark:
            continue
        kind, name = mark.groups()
        if kind == "RUN":
            running, began = name, i
            summary.seen.append(name)
            continue
        if kind == "OK":
            summary.passed += 1
        elif kind == "SKIPPED":
            said = [l.strip() for l in lines[began + 1:i] if l.strip()]
            said = [l for l in said if not re.match(r"^\S+:\d+: Skipped$", l)]
            summary.skipped.append((name, said[0] if said else "no reason given"))
        elif running is not None:
            summary.failed.append(name)
        running = None
    if tail is None:
        summary.died = True
        summary.failed.append(f"{running} (the program died in it)" if running else "(no summary)")
        return summary
    told = re.search(r"^\[  PASSED  \] (\d+) tests?\.", output, re.M)
    if told and int(told.group(1)) != summary.passed:
        summary.failed.append(f"(the summary says {told.group(1)} passed, the cases {summary.passed})")
    if not ending_ok and not summary.failed:
        summary.failed.append("(failed outside any case)")
    if not summary.passed and not summary.failed and not summary.skipped:
        summary.failed.append("(no test ran)")
    return summary


def without_passes(output):
    """The output with the cases that passed left out."""
    kept, block = [], None
    for line in output.splitlines():
        if line.startswith("[ RUN      ]"):
            block = [line]
        elif block is not None and line.startswith("[       OK ]"):
            block = None
        elif block is not None:
            block.append(line)
            if line.startswith(("[  FAILED  ]", "[  SKIPPED ]")):
                kept += block
                block = None
        elif not line.startswith("[------"):
            kept.append(line)
    return "\n".join(kept + (block or []))
