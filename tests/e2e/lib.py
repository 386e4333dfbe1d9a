"""Helpers of the end-to-end tests: a recorder around a program, clients, and what `show` says."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("REPRISE_BUILD", os.path.join(HERE, "..", "..", "build"))
REPRISE = os.path.join(BUILD, "bin", "reprise")
FIXTURES = os.path.join(HERE, "..", "fixtures")
PYTHON = "/usr/bin/python3"


def skip(reason):
    print(reason)
    sys.exit(77)


def check(condition, *words):
    if not condition:
        print("FAIL:", *words)
        sys.exit(1)


def until(what, wanted, seconds=20.0, every=0.01):
    """Polls wanted() until it is true; fails by name after the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = wanted()
        if value:
            return value
        time.sleep(every)
    check(False, "waited", seconds, "s for", what)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def folder():
    """A fresh folder that goes away with the test."""
    path = tempfile.mkdtemp(prefix="reprise-e2e-")
    import atexit
    atexit.register(shutil.rmtree, path, True)
    return path


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def compile_c(source, out, *flags):
    cc = shutil.which("gcc") or shutil.which("cc")
    if cc is None:
        skip("no C compiler")
    subprocess.run([cc, "-O2", "-o", out, source, *flags], check=True)
    return out


class Record:
    """`reprise record` around a command; `out` collects what the command prints."""

    def __init__(self, command, options=(), env=None, cwd=None, **popen):
        self.base = folder()
        self.rec = os.path.join(self.base, "rec")
        self.out_path = os.path.join(self.base, "out")
        self.err_path = os.path.join(self.base, "err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                [REPRISE, "record", "-o", self.rec, *options, "--", *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd, **popen)

    def out(self):
        with open(self.out_path) as f:
            return f.read()

    def err(self):
        with open(self.err_path) as f:
            return f.read()

    def port(self):
        """The first line that the command prints is its port."""
        def first():
            check(self.process.poll() is None or "\n" in self.out(), "the recorder ended:", self.err())
            return "\n" in self.out()
        until("the port", first)
        return int(self.out().split("\n")[0])

    def wait(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            check(False, "the recorder did not end in", seconds, "s:", self.err())

    def stop(self, seconds=30):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)


def reprise(*arguments, **options):
    return subprocess.run([REPRISE, *arguments], capture_output=True, text=True, errors="replace",
                          timeout=120, **options)


def sessions(rec, every=False):
    """The sessions that are on disk, parsed; with every, the calls outside sessions too."""
    got = reprise("show", rec, "--json", *(["--all"] if every else []))
    return [json.loads(line) for line in got.stdout.splitlines() if line.startswith("{")]


def ledger(rec):
    got = reprise("show", rec, "--ledger", "--json")
    return {s["name"]: s for s in json.loads(got.stdout)["stages"]}


def balanced(rec):
    return reprise("show", rec, "--ledger").returncode == 0


def get(port, path="/", headers="", host="127.0.0.1", timeout=20):
    """One HTTP request on a connection of its own; the whole answer."""
    with socket.create_connection((host, port), timeout) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n{headers}Connection: close\r\n\r\n".encode())
        return read_answer(s)


def read_answer(s):
    """One HTTP answer with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = s.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def drive(port, count, concurrency, path=lambda i: f"/{i}", keep=True):
    """count requests over `concurrency` connections; the answers by number."""
    answers = [None] * count
    numbers = iter(range(count))
    lock = threading.Lock()

    def work():
        s = None
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            try:
                if s is None:
                    s = socket.create_connection(("127.0.0.1", port), 30)
                close = "" if keep else "Connection: close\r\n"
                s.sendall(f"GET {path(i)} HTTP/1.1\r\nHost: t\r\n{close}\r\n".encode())
                answers[i] = read_answer(s)
            except OSError:
                answers[i] = b""
            if not keep or not answers[i]:
                s.close() if s else None
                s = None

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers
