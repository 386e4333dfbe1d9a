"""tools/test: every check of the project, one line an item, one line at the end."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

import gates
import gtest
import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
THREADED = ("net", "mock", "run", "capture", "drive", "sandbox")
PHASES = ("unit", "e2e", "asan", "tsan", "fuzz", "gates")
UNIT_LIMIT = 300
E2E_LIMIT = 180
RERUNS = 10


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.skips = []
        self.failures = []

    def line(self, phase, name, verdict, seconds):
        print(f"{phase:<6} {name:<32} {verdict:<40} {seconds:6.1f} s", flush=True)

    def add_pass(self, phase, name, seconds):
        self.passed += 1
        self.line(phase, name, "ok", seconds)

    def add_fail(self, phase, name, why, seconds, log=""):
        self.failed += 1
        self.failures.append(f"{phase} {name}: {why}")
        self.line(phase, name, f"FAILED: {why}", seconds)
        self.show(log)

    def add_skip(self, phase, name, why, seconds):
        self.skips.append(f"{phase} {name}: {why}")
        self.line(phase, name, f"skipped: {why}", seconds)

    def show(self, log, most=200):
        lines = log.rstrip().splitlines()
        if len(lines) > most:
            print(f"    | ({len(lines) - most} lines left out)")
        for text in lines[-most:]:
            print(f"    | {text}")
        sys.stdout.flush()

    def finish(self):
        print()
        for text in self.skips:
            print(f"skipped  {text}")
        for text in self.failures:
            print(f"failed   {text}")
        print(f"{self.passed} passed, {self.failed} failed, {len(self.skips)} skipped", flush=True)
        return 1 if self.failed else 0


class Builds:
    """One build folder a preset; each phase builds only what it runs."""

    def __init__(self, report, jobs):
        self.report, self.jobs = report, jobs

    def folder(self, preset):
        return ROOT / ("build" if preset == "release" else f"build-{preset}")

    def make(self, preset, choose):
        """choose(targets) -> those to build (None: all). False if it failed, which is reported."""
        began = time.monotonic()
        done = process.run(["cmake", "--preset", preset], 300, cwd=ROOT)
        if done.code == 0 and choose is not None:
            listed = process.run(["ninja", "-C", str(self.folder(preset)), "-t", "targets", "all"], 60)
            targets = sorted({m.group(1) for m in re.finditer(
                r"^([\w-]+): phony$", listed.output, re.M)})
            wanted = choose(targets)
        else:
            wanted = []
        if done.code == 0 and (choose is None or wanted):
            done = process.run(["ninja", "-C", str(self.folder(preset)), f"-j{self.jobs}", *wanted],
                               3600)
        seconds = time.monotonic() - began
        if done.code != 0:
            self.report.add_fail("build", preset, done.ending, seconds, done.output)
            return False
        self.report.line("build", preset, "built", seconds)
        return True


def run_binaries(report, phase, folder, names, before=(), env=None):
    """The gtest binaries of a folder; each case counts."""
    for name in names:
        cases, seconds, logs, ending = gtest.Summary(), 0.0, [], ""
        skip = []
        for _ in range(RERUNS):  # a binary that died goes on behind the case that it died in
            words = [*before, str(folder / "test" / name)]
            words += [f"--gtest_filter=-{':'.join(skip)}"] if skip else []
            with tempfile.TemporaryDirectory(prefix="reprise-test-") as scratch:
                done = process.run(words, UNIT_LIMIT, cwd=scratch, env={
                    **os.environ, "TMPDIR": scratch, "GTEST_COLOR": "no", **(env or {})})
            found = gtest.parse(done.output, done.code == 0)
            cases.add(found)
            seconds += done.seconds
            if found.failed:
                logs.append(gtest.without_passes(done.output))
                ending = done.ending
            skip += found.seen
            if not found.died or not found.seen:
                break
        report.passed += cases.passed
        report.skips += [f"{phase} {name} {case}: {why}" for case, why in cases.skipped]
        verdict = f"{cases.passed} passed"
        if cases.skipped:
            verdict += f", {len(cases.skipped)} skipped"
        if cases.failed:
            verdict += f", {len(cases.failed)} FAILED ({ending})"
        report.line(phase, name, verdict, seconds)
        report.failed += len(cases.failed)
        report.failures += [f"{phase} {name} {case}" for case in cases.failed]
        for log in logs:
            report.show(log)


def test_binaries(folder):
    return sorted(p.name for p in (folder / "test").glob("*_test") if os.access(p, os.X_OK))


def run_unit(report, builds):
    run_binaries(report, "unit", builds.folder("release"), test_binaries(builds.folder("release")))


def run_e2e(report, builds):
    """The contract of a test is in docs/guide/testing.md."""
    found = []
    for folder in ("tests/interop", "tests/e2e"):
        found += [p for p in sorted((ROOT / folder).glob("*"))
                  if p.suffix in (".test", ".py") and os.access(p, os.X_OK)]
    if not found:
        report.add_skip("e2e", "tests/e2e", "there are none yet", 0)
    for path in found:
        name = f"{path.parent.name}/{path.name}"
        head = path.read_text(encoding="utf-8", errors="replace")[:2000]
        told = re.search(r"^# time-limit: (\d+)$", head, re.M)
        limit = int(told.group(1)) if told else E2E_LIMIT
        with tempfile.TemporaryDirectory(prefix="reprise-e2e-") as scratch:
            os.chmod(scratch, 0o1777)  # as /tmp: servers that drop their privileges work in it
            env = {**os.environ, "REPRISE_BUILD": str(builds.folder("release")), "TMPDIR": scratch}
            done = process.run([str(path)], limit, env=env, cwd=scratch)
        if done.leftovers:
            print(f"    | left running, and ended: {', '.join(done.leftovers)}")
        if done.timed_out:
            report.add_fail("e2e", name, f"not done in {limit} s", done.seconds, done.output)
        elif done.code == 0:
            report.add_pass("e2e", name, done.seconds)
        elif done.code == 77:
            said = done.output.strip().splitlines()
            report.add_skip("e2e", name, said[-1] if said else "no reason given", done.seconds)
        else:
            report.add_fail("e2e", name, done.ending, done.seconds, done.output)


def run_asan(report, builds):
    if not builds.make("asan", lambda all_: [t for t in all_ if t.endswith("_test")]):
        return
    folder = builds.folder("asan")
    run_binaries(report, "asan", folder, test_binaries(folder),
                 env={"ASAN_OPTIONS": "detect_stack_use_after_return=1",
                      "UBSAN_OPTIONS": "print_stacktrace=1"})


def run_tsan(report, builds):
    names = {f"{module}_test" for module in THREADED}
    if not builds.make("tsan", lambda all_: [t for t in all_ if t in names]):
        return
    # The shadow memory of older sanitizers wants the old, small randomization of addresses.
    fixed = ["setarch", "--addr-no-randomize"]
    if shutil.which("setarch") is None or process.run([*fixed, "true"], 10).code != 0:
        fixed = []
    folder = builds.folder("tsan")
    run_binaries(report, "tsan", folder, [n for n in test_binaries(folder) if n in names], fixed)


def run_fuzz(report, builds, total):
    # The build of the phase asan, with coverage for libFuzzer: one compilation serves both.
    if not builds.make("asan", lambda all_: [t for t in all_ if t.endswith("_fuzz")]):
        return
    binaries = sorted(p for p in (builds.folder("asan") / "fuzz").glob("*_fuzz"))
    if not binaries:
        report.add_skip("fuzz", "targets", "there are none", 0)
        return
    each = max(1, total // len(binaries))
    for binary in binaries:
        corpus = ROOT / "fuzz" / "corpus" / binary.name.removesuffix("_fuzz")
        with tempfile.TemporaryDirectory(prefix="reprise-fuzz-") as scratch:
            # The first folder receives what is found; the kept corpus is only read.
            folders = [scratch] + ([str(corpus)] if corpus.is_dir() else [])
            done = process.run([str(binary), f"-max_total_time={each}", "-timeout=10",
                                "-rss_limit_mb=2048", "-print_final_stats=1",
                                f"-artifact_prefix={scratch}/", *folders], each + 120, cwd=scratch)
            saved = next((p for p in pathlib.Path(scratch).glob("*")
                          if p.name.startswith(("crash-", "timeout-", "oom-", "leak-"))), None)
            if saved is not None:
                kept = builds.folder("asan") / f"{binary.name}-{saved.name}"
                shutil.copy(saved, kept)
                done.output += f"\nthe input is kept in {kept.relative_to(ROOT)}"
        runs = re.search(r"number_of_executed_units: (\d+)", done.output)
        if done.code == 0 and runs:
            report.passed += 1
            report.line("fuzz", binary.name, f"ok, {runs.group(1)} inputs", done.seconds)
        else:
            report.add_fail("fuzz", binary.name, done.ending, done.seconds, done.output)


def run_gates(report, builds):
    for item in gates.run_all(builds.folder("release")):
        if item.verdict == "ok":
            report.add_pass("gates", item.name, item.seconds)
        elif item.verdict == "skipped":
            report.add_skip("gates", item.name, item.why, item.seconds)
        else:
            report.add_fail("gates", item.name, item.why, item.seconds)


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/test", description="Sets up, builds and checks everything. The last line is "
        "'N passed, N failed, N skipped'; the exit code is 1 if anything failed.")
    parser.add_argument("--quick", action="store_true", help="only unit tests and gates")
    parser.add_argument("--only", metavar="PHASE[,PHASE]", help=f"of {', '.join(PHASES)}")
    parser.add_argument("--no-setup", action="store_true", help="do not install missing packages")
    parser.add_argument("--fuzz-seconds", type=int, default=60, metavar="N",
                        help="for all fuzz targets together (60)")
    parser.add_argument("-j", "--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="parallel compilations (all processors)")
    options = parser.parse_args()
    options.phases = ["unit", "gates"] if options.quick else list(PHASES)
    if options.only:
        options.phases = options.only.split(",")
        unknown = [p for p in options.phases if p not in PHASES]
        if unknown:
            parser.error(f"no phase '{unknown[0]}'; there are: {', '.join(PHASES)}")
    return options


def main():
    options = arguments()
    # One clone profits from what another one compiled.
    os.environ.setdefault("CCACHE_BASEDIR", str(ROOT))
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")
    process.become_subreaper()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report()
    builds = Builds(report, options.jobs)
    try:
        own = {"unit", "e2e", "gates"} & set(options.phases)
        built = bool(own) and builds.make("release", None)
        for phase, work in (("unit", run_unit), ("gates", run_gates), ("e2e", run_e2e)):
            if phase in options.phases and built:
                work(report, builds)
        if "asan" in options.phases:
            run_asan(report, builds)
        if "tsan" in options.phases:
            run_tsan(report, builds)
        if "fuzz" in options.phases:
            run_fuzz(report, builds, options.fuzz_seconds)
    finally:
        process.end_leftovers()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
