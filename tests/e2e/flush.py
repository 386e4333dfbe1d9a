#!/usr/bin/python3
"""A session is on disk within 2 s of its answer; all of them at SIGTERM; and a recorder that is killed
leaves a readable recording and an unharmed program."""
import os
import signal
import threading
import time

import lib


SERVER = '''
import os, socket, signal, threading
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
l = socket.create_server(("127.0.0.1", 0), backlog=128)
print(l.getsockname()[1], flush=True)
def serve(s):
    try:
        while True:
            d = b""
            while not d.endswith(b"\\r\\n\\r\\n"):
                p = s.recv(4096)
                if not p: return
                d += p
            s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
'''


def record():
    return lib.Record([lib.PYTHON, "-c", SERVER], ["-q"])


def within_two_seconds():
    r = record()
    port = r.port()
    for i in range(3):
        lib.get(port, f"/{i}")
        begin = time.monotonic()
        lib.until("a session on disk", lambda: len(lib.sessions(r.rec)) == i + 1, 5)
        lib.check(time.monotonic() - begin < 2.0, "on disk after", time.monotonic() - begin, "s")
    answers = lib.drive(port, 500, 8)
    lib.check(r.stop() == 0, "exit", r.err())
    lib.check(len(lib.sessions(r.rec)) == 3 + len(answers), "not all there after SIGTERM")
    lib.check(lib.reprise("verify", r.rec).returncode == 0, "verify")


def recorder_killed():
    r = record()
    port = r.port()
    answers, more = [], []
    load = threading.Thread(target=lambda: answers.extend(lib.drive(port, 6000, 8)))
    load.start()
    before = lib.until("some sessions on disk", lambda: len(lib.sessions(r.rec)))
    subject = int(lib.until("the child", lambda: open(
        f"/proc/{r.process.pid}/task/{r.process.pid}/children").read().split()[:1])[0])
    os.kill(r.process.pid, signal.SIGKILL)
    r.process.wait()
    try:
        load.join()
        more = lib.drive(port, 3000, 8)  # the arena fills, and is given up in silence
        for a in answers + more:
            lib.check(a.endswith(b"ok"), "the program was harmed:", a)
        got = lib.reprise("show", r.rec, "--json")
        lib.check(got.returncode in (0, 1), "show of a cut recording:", got.stderr)
        found = lib.sessions(r.rec)
        lib.check(before <= len(found) <= 6000, len(found), "sessions, seen before", before)
        lib.check(all(s["inbound"]["answered"] for s in found), "a session without an answer")
        said = lib.reprise("verify", r.rec).stdout
        lib.check("not finished" in said, "verify does not say that it was cut:", said)
    finally:
        os.kill(subject, signal.SIGKILL)


within_two_seconds()
recorder_killed()
