"""Helpers of the tests that replay: dependencies that are ended and proven closed, runs and what they said."""
import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import lib
from lib import check, until

PYTHON = lib.PYTHON
# In the environment of all that a test starts, so that what is left behind can be told from others'.
MARK = f"E2E_MARK={os.getpid()}.{time.monotonic_ns()}"
os.environ[MARK.split("=")[0]] = MARK.split("=")[1]
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def need(*programs):
    """Skips the test unless each is there; sbin is looked at too."""
    for folder in ("/usr/sbin", "/sbin"):
        if folder not in os.environ["PATH"].split(":"):
            os.environ["PATH"] += ":" + folder
    for name in programs:
        if shutil.which(name) is None:
            lib.skip(f"{name} is not installed")


def need_root():
    if os.geteuid() != 0:
        lib.skip("needs root")


def folder():
    """As lib.folder, and readable for servers that drop their privileges."""
    path = tempfile.mkdtemp(prefix="reprise-e2e-")
    atexit.register(shutil.rmtree, path, True)
    os.chmod(path, 0o755)
    return path


def is_open(where, host="127.0.0.1"):
    """Whether somebody listens: on a port, or on a Unix path."""
    kind = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind) as s:
        s.settimeout(5)
        try:
            s.connect(where if isinstance(where, str) else (host, where))
            return True
        except OSError:
            return False


class Dependencies:
    """Real servers, with where they listen."""

    def __init__(self):
        self.base = folder()
        self.running = []
        self.places = []
        atexit.register(self._kill)

    def start(self, command, *places, host="127.0.0.1", **popen):
        """Waits until it listens on each place: a port or a Unix path."""
        log_path = os.path.join(self.base, f"log-{len(self.running)}")
        with open(log_path, "wb") as log:
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)
        self.running.append(p)

        def ready():
            with open(log_path, errors="replace") as said:
                check(p.poll() is None, command, "ended:", said.read())
            return all(is_open(place, host) for place in places)
        until(f"{command[0]} to listen", ready, 30)
        self.places += [(place, host) for place in places]
        return p

    def redis(self):
        port = lib.free_port()
        self.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", self.base],
                   port)
        return port

    def stub(self, *arguments):
        """tests/fixtures/http_stub.py; its port."""
        port = lib.free_port()
        self.start([PYTHON, os.path.join(lib.FIXTURES, "http_stub.py"), str(port), *arguments], port)
        return port

    def python(self, script, *places, host="127.0.0.1", arguments=()):
        return self.start([PYTHON, "-c", script, *[str(a) for a in arguments]], *places, host=host)

    def end(self):
        """Ends them all and proves that nobody listens any more."""
        for p in self.running:
            p.terminate()
        for p in self.running:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.running = []
        for place, host in self.places:
            check(not is_open(place, host), "still open:", place)

    def _kill(self):
        for p in self.running:
            p.kill()


def wait_open(record, *places, host="127.0.0.1"):
    """The subject of a recorder listens."""
    def ready():
        check(record.process.poll() is None, "the recorder ended:", record.err(), record.out())
        return all(is_open(place, host) for place in places)
    until("the subject to listen", ready, 30)


def stop(record, *places, requests=None, host="127.0.0.1"):
    """Ends a recording; it holds as many sessions as were sent, and nothing was lost."""
    if requests is not None:
        # A program that is ended in the moment of its answer may not have come to note that.
        until(f"{requests} sessions", lambda: sum(not s["incomplete"] for s in lib.sessions(record.rec)) >= requests)
    check(record.stop() == 0, "the recorder ended badly:", record.err())
    for place in places:
        check(not is_open(place, host), "still open:", place)
    if requests is not None:
        found = lib.sessions(record.rec)
        check(len(found) == requests, len(found), "sessions recorded,", requests, "requests sent")
    check(lib.balanced(record.rec), "the ledger does not balance:", lib.reprise("show", record.rec, "--ledger").stdout)
    return record.rec


class Run:
    """One `reprise replay`, its result parsed."""

    def __init__(self, rec, *options, command=(), prefix=(), env=None, cwd=None, timeout=120):
        path = os.path.join(folder(), "result.json")
        os.chmod(os.path.dirname(path), 0o777)
        arguments = [*prefix, lib.REPRISE, "replay", rec, "-q", "--json", path, *options]
        if command:
            arguments += ["--", *command]
        began = time.monotonic()
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=timeout, env=env, cwd=cwd)
        self.seconds = time.monotonic() - began
        self.code, self.err, self.out = done.returncode, done.stderr, done.stdout
        self.json = None
        if os.path.exists(path):
            with open(path) as f:
                self.json = json.load(f)

    def result(self):
        check(self.json is not None, "no result; exit", self.code, self.err)
        return self.json

    def sessions(self):
        return self.result()["sessions"]

    def calls(self, session):
        """(verdict, label) of each call of the n-th session."""
        return [(c["verdict"], c["label"]) for c in self.sessions()[session]["calls"]]

    def verdicts(self):
        return {k: n for k, n in self.result()["verdicts"].items() if n}

    def leaks(self):
        return {(leak["to"], leak["protocol"]) for leak in self.result()["leaks"]}

    def identical(self, count, mode=None):
        """Exit 0, count sessions, all the same, nothing leaked, nothing missed outside of sessions."""
        r = self.result()
        for s in r["sessions"]:
            if s["outcome"] != "same":
                got = lib.reprise("show", r["recording"], str(s["id"]))
                check(False, "session", s["id"], "is", s["outcome"], json.dumps(s, indent=1), got.stdout)
        check(self.code == 0, "exit", self.code, self.err)
        check(len(r["sessions"]) == count, len(r["sessions"]), "sessions replayed, wanted", count)
        check(r["leaks"] == [], "leaks:", r["leaks"])
        check(r["causes"] == [], "causes:", r["causes"])
        check(r["verdicts"]["miss"] == 0, "misses outside of sessions:", r["outside"])
        if mode is not None:
            check(r["stage_mode"] == mode, "stage:", r["stage_mode"], r["notes"])
        return self


def replay_identically(rec, count, times=20, *options, **more):
    for i in range(times):
        Run(rec, *options, **more).identical(count)


def left_behind():
    """What this test started and what is still there: [(pid, command)]."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                marked = MARK.encode() in f.read().split(b"\0")
            if marked and int(pid) != os.getpid():
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    found.append((int(pid), f.read().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            pass
    return found


def children():
    """Of this process, also those that it inherited from who ended before them; none may be awaited elsewhere."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    with open(f"/proc/self/task/{os.getpid()}/children") as f:
        return f.read().split()


def mounts():
    with open("/proc/self/mountinfo") as f:
        return [line.split(" ", 3)[3] for line in f if "reprise" in line]


def end_quietly(process, number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(number)
        process.wait(20)


class Clients:
    """HTTP clients with a kept connection each, open until close()."""

    def __init__(self, port, count):
        self.sockets = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(count)]

    def drive(self, requests, path):
        """The answers by number; client n sends every len(sockets)-th."""
        answers = [b""] * requests

        def work(first):
            for i in range(first, requests, len(self.sockets)):
                self.sockets[first].sendall(f"GET {path(i)} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
                answers[i] = lib.read_answer(self.sockets[first])
        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(self.sockets))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return answers

    def close(self):
        for s in self.sockets:
            s.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Asker:
    """tests/fixtures/asker.py: a program that asks what its command line says."""

    def __init__(self, places):
        self.port, self.places = lib.free_port(), places
        self.rec = None

    def command(self, *steps):
        return [PYTHON, os.path.join(lib.FIXTURES, "asker.py"), str(self.port), json.dumps(self.places),
                json.dumps(steps)]

    def record(self, *steps, times=1):
        """What it was told, step by step."""
        subject = lib.Record(self.command(*steps), ["-q"])
        wait_open(subject, self.port)
        for _ in range(times):
            answer = lib.get(self.port, "/go")
            check(answer.startswith(b"HTTP/1.1 200"), "answer:", answer)
        own = times + times * sum(step[0] == "self" for step in steps)
        self.rec = stop(subject, self.port, requests=own)
        return json.loads(answer.split(b"\r\n\r\n")[1])

    def replay(self, *steps, options=()):
        """With the recorded steps, or with others."""
        return Run(self.rec, *options, command=self.command(*steps) if steps else ())
