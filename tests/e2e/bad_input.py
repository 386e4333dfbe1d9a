#!/usr/bin/python3
"""What goes wrong is said in one clear line, with the right exit code, and nothing is left behind."""
import json
import os
import shutil
import signal
import subprocess

import lib

BASE = lib.folder()


def says(got, code, *words):
    lib.check(got.returncode == code, got.args, "exit", got.returncode, "not", code, got.stderr)
    lines = got.stderr.strip().splitlines()
    lib.check(lines and lines[0].startswith("reprise: "), "no clear line:", got.stderr)
    lib.check(len([l for l in lines if l.startswith("reprise: ")]) == 1, "more than one line:", got.stderr)
    for word in words:
        lib.check(word in got.stderr, "does not say", word, ":", got.stderr)


def left_behind(mark):
    """Processes of this test that are still there, by a mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if mark.encode() in f.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            pass
    return found


def rec(name):
    return os.path.join(BASE, name)


def commands():
    says(lib.reprise("record", "-o", rec("a"), "--", "no-such-command-here"), 2, "no-such-command-here")
    lib.check(not os.path.exists(rec("a")), "a folder was left behind")
    os.mkdir(rec("b"))
    says(lib.reprise("record", "-o", rec("b"), "--", "/etc/passwd"), 2, "/etc/passwd")
    lib.check(os.listdir(rec("b")) == [], "files were left in the given folder")
    lib.write(rec("b/mine"), "x")
    says(lib.reprise("record", "-o", rec("b"), "--", "true"), 2, "not an empty folder")
    lib.check(os.listdir(rec("b")) == ["mine"], "the folder was touched")
    says(lib.reprise("record", "-o", rec("no/such/place"), "--", "true"), 2, "no/such/place")
    says(lib.reprise("record", "--", "true"), 2, "-o")
    says(lib.reprise("record", "-o", rec("c")), 2, "command")
    says(lib.reprise("record", "-o", rec("c"), "--arena", "x", "--", "true"), 2, "--arena")
    lib.check(not os.path.exists(rec("c")), "a folder was left behind")


def memory():
    says(lib.reprise("record", "-o", rec("d"), "--arena", "60000G", "--", "true"), 3, "arena")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    says(lib.reprise("record", "-o", rec("d"), "--arena", f"{total >> 20}M", "--", "true"), 3, "arena")
    limited = ["sh", "-c", 'ulimit -v 200000; exec "$@"', "sh", lib.REPRISE, "record", "-o", rec("d"),
               "--arena", "300M", "--", "true"]
    says(subprocess.run(limited, capture_output=True, text=True), 3, "arena")
    lib.check(not os.path.exists(rec("d")), "a folder was left behind")


def recordings():
    says(lib.reprise("show", rec("nowhere")), 1, "nowhere")
    os.mkdir(rec("empty"))
    says(lib.reprise("show", rec("empty")), 1, "not a recording")
    says(lib.reprise("verify", rec("b")), 1, "not a recording")
    os.mkdir(rec("odd"))
    for text in ["", "{", "[]", '{"format": 99}', '{"format": "x"}', "\0" * 100]:
        lib.write(rec("odd/manifest.json"), text)
        says(lib.reprise("show", rec("odd")), 1)
    r = lib.Record([lib.PYTHON, "-c", SERVER], ["-q"])
    lib.drive(r.port(), 300, 4)
    r.stop()
    says(lib.reprise("show", r.rec, "99999"), 1, "no session 99999")
    says(lib.reprise("show", r.rec, "x"), 2, "no session id")
    whole = lib.sessions(r.rec)
    with open(os.path.join(r.rec, "sessions.rps"), "rb") as f:
        content = f.read()
    for cut in [0, 3, 39, 40, len(content) // 2, len(content) - 1]:
        with open(os.path.join(r.rec, "sessions.rps"), "wb") as f:
            f.write(content[:cut])
        got = lib.reprise("show", r.rec, "--json")
        lib.check(got.returncode == (0 if cut == 0 else 1), "exit", got.returncode, "at", cut)
        lib.check("could not be read" in got.stderr or cut == 0, "does not say what is missing at", cut)
        kept = [json.loads(l) for l in got.stdout.splitlines()]
        lib.check(kept == whole[:len(kept)], "what is readable differs at", cut)
    os.unlink(os.path.join(r.rec, "sessions.rps"))
    says(lib.reprise("show", r.rec), 1, "sessions.rps")


SERVER = '''
import socket, signal, os
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
l = socket.create_server(("127.0.0.1", 0), backlog=64)
print(l.getsockname()[1], flush=True)
while True:
    s = l.accept()[0]
    while s.recv(4096): s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
'''
# Ignores SIGTERM, and so do its children.
STUBBORN = '''
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print(0, flush=True)
while True: time.sleep(1)
'''


def endings():
    mark = "REPRISE_TEST_MARK=%d" % os.getpid()
    env = dict([mark.split("=")], **os.environ)
    for number in [signal.SIGTERM, signal.SIGINT]:
        r = lib.Record([lib.PYTHON, "-c", SERVER], env=env)
        lib.get(r.port())
        r.process.send_signal(number)
        lib.check(r.wait() == 0, "exit after", number, r.err())
        lib.check("1 sessions" in r.err(), "summary:", r.err())
        lib.check(left_behind(mark) == [], "left behind after", number)
    r = lib.Record([lib.PYTHON, "-c", STUBBORN], env=env)
    r.port()
    r.process.send_signal(signal.SIGTERM)
    lib.check(r.wait(25) == 0, "a program that ignores SIGTERM:", r.err())
    lib.check(left_behind(mark) == [], "left behind: a program that ignores SIGTERM")
    r = lib.Record([lib.PYTHON, "-c", "raise SystemExit(7)"], env=env)
    r.wait()
    lib.check("ended with 7" in r.err(), "how the command ended:", r.err())
    r = lib.Record(["sh", "-c", "kill -9 $$"], env=env)
    r.wait()
    lib.check("signal 9" in r.err(), "how the command ended:", r.err())


commands()
memory()
recordings()
endings()
