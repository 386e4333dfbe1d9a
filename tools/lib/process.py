"""Commands that cannot outlive their test.

Each runs in a session of its own, with a time limit. The runner is a subreaper: what a command leaves
behind, daemons too, becomes a child of the runner, and is ended by its pid.
"""

import ctypes
import dataclasses
import os
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass
class Outcome:
    code: int  # negative: ended by that signal
    output: str
    seconds: float
    timed_out: bool
    leftovers: list  # names of the programs that were still running

    @property
    def ending(self):
        if self.timed_out:
            return f"stopped after {self.seconds:.0f} s"
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"


def become_subreaper():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _processes():
    """pid -> (parent, name) of every process that is not a zombie."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        state, parent = text[text.rindex(")") + 2:].split()[:2]
        if state not in "ZX":
            found[int(entry)] = (int(parent), name)
    return found


def _descendants():
    found = _processes()
    mine, grew = {os.getpid()}, True
    while grew:
        more = {pid for pid, (parent, _) in found.items() if parent in mine} - mine
        grew = bool(more)
        mine |= more
    return {pid: found[pid][1] for pid in mine - {os.getpid()}}


def _reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_leftovers():
    """Ends all descendants of this process; returns their names."""
    names = sorted(_descendants().values())
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        for pid in _descendants():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        until = time.monotonic() + patience
        while _descendants() and time.monotonic() < until:
            _reap()
            time.sleep(0.02)
        _reap()
    return names


def run(command, limit, env=None, cwd=None, log=None):
    """Runs to its end or its limit (seconds). The output is both streams, in order; it goes through a
    file, so that a daemon that keeps it open holds up nobody."""
    began = time.monotonic()
    with open(log, "w+b") if log else open(os.memfd_create("log"), "w+b") as out:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True)
        except OSError as e:  # not there, no interpreter: as a shell tells it
            return Outcome(126, str(e), 0.0, False, [])
        timed_out = False
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
        seconds = time.monotonic() - began
        leftovers = end_leftovers()  # of a timed-out command, itself too
        if child.returncode is None:
            child.poll()
        out.flush()
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    return Outcome(child.returncode if child.returncode is not None else -9, text, seconds, timed_out,
                   [] if timed_out else leftovers)
