#!/usr/bin/python3
"""What goes wrong in a replay is said in one clear line, with the right exit code, and nothing is left behind: no
process, no mount, no file but the output that the message names."""
import os
import shutil
import subprocess

import lib
import replay_lib as r

TMP = r.folder()
os.environ["TMPDIR"] = TMP
# Answers the number of its request; crashes at the third, or hangs, if it is told to.
SERVER = '''
import os, socket, sys, time
port, how = int(sys.argv[1]), sys.argv[2]
count = 0
l = socket.create_server(("127.0.0.1", port), backlog=64)
while True:
    s = l.accept()[0]
    data = s.recv(4096)
    if not data: continue
    count += 1
    if count == 3 and how == "crash": os.abort()
    if count == 3 and how == "exit": sys.exit(5)
    if count == 3 and how == "hang": time.sleep(3600)
    s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    s.close()
'''
NEVER = "import time, sys; print('nobody listens here', flush=True); time.sleep(3600)"


def nothing_left(*names):
    lib.until("all processes to be gone", lambda: not r.left_behind(), 5)
    lib.check(r.children() == [], "children:", r.children())
    lib.check(r.mounts() == [], "mounts:", r.mounts())
    lib.check(sorted(os.listdir(TMP)) == sorted(names), "files in the temporary folder:", os.listdir(TMP))


def says(got, code, *words):
    lib.check(got.returncode == code, got.args, "exit", got.returncode, "not", code, got.stderr)
    lines = [line for line in got.stderr.splitlines() if line.startswith("reprise: ")]
    lib.check(len(lines) == 1, "not one clear line:", got.stderr)
    for word in words:
        lib.check(word in got.stderr, "does not say", word, ":", got.stderr)


def replay(*arguments):
    return lib.reprise("replay", *arguments)


def usage(rec):
    base = r.folder()
    says(replay(), 2, "which recording")
    says(replay(rec, "--no-such-option"), 2, "--no-such-option")
    says(replay(rec, "--lanes", "0"), 2, "--lanes")
    says(replay(rec, "--lanes", "many"), 2, "--lanes")
    says(replay(rec, "--session", "7-3"), 2, "--session")
    says(replay(rec, "--timeout", "soon"), 2, "--timeout")
    says(replay(rec, "--session", "4711"), 2, "nothing to replay")
    says(replay(os.path.join(base, "nowhere")), 3, "nowhere")
    nothing_left()
    os.mkdir(os.path.join(base, "empty"))
    says(replay(os.path.join(base, "empty")), 3, "empty")
    broken = os.path.join(base, "broken")
    shutil.copytree(rec, broken)
    lib.write(os.path.join(broken, "manifest.json"), "{")
    says(replay(broken), 3, "broken")
    nothing_left()
    if os.geteuid() == 0:
        closed = os.path.join(base, "closed")
        shutil.copytree(rec, closed)
        os.chmod(closed, 0o700)
        got = subprocess.run(["runuser", "-u", "nobody", "--", "env", "TMPDIR=/tmp", lib.REPRISE, "replay", closed],
                             capture_output=True, text=True)
        says(got, 3, closed)
        nothing_left()


def kept_folder(text):
    """The folder that a message names; removed, with its files returned."""
    path = next(word.rstrip(";,.") for word in text.split() if word.startswith(TMP))
    said = ""
    for name in sorted(os.listdir(path)):
        with open(os.path.join(path, name)) as f:
            said += f.read()
    shutil.rmtree(path)
    return said


def no_start(rec, port):
    for options in ([], ["--no-namespaces"]):
        got = replay(rec, *options, "--", "no-such-command-here")
        says(got, 2, "no-such-command-here")
        nothing_left()
        got = replay(rec, *options, "--", "/etc/passwd")
        says(got, 2, "/etc/passwd")
        nothing_left()
        got = replay(rec, *options, "--start-timeout", "1s", "--", lib.PYTHON, "-c", NEVER)
        says(got, 3, "does not listen", f"127.0.0.1:{port}", "after 1 s")
        lib.check("nobody listens here" in kept_folder(got.stderr), "its output was not kept")
        nothing_left()
        got = replay(rec, *options, "--", lib.PYTHON, "-c", "import sys; sys.exit('I give up')")
        says(got, 3, "ended before it listened", "exit code 1")
        lib.check("I give up" in kept_folder(got.stderr), "its output was not kept")
        nothing_left()
        got = replay(rec, *options, "--", "sh", "-c", "kill -9 $$")
        says(got, 3, "ended before it listened", "signal 9")
        nothing_left()


def dies(rec, port, how, outcome, word, options):
    """At the third request; the ones behind it get a fresh program."""
    found = r.Run(rec, "--timeout", "1s", *options, command=[lib.PYTHON, "-c", SERVER, str(port), how])
    outcomes = [s["outcome"] for s in found.sessions()]
    lib.check(found.code == 1, "exit", found.code, found.err)
    lib.check(outcomes == ["same", "same", outcome, "same", "same", outcome], how, outcomes)
    reason = found.sessions()[2]["reason"]
    lib.check(word in reason, how, "reason:", reason)
    nothing_left()


def main():
    port = lib.free_port()
    subject = lib.Record([lib.PYTHON, "-c", SERVER, str(port), "well"], ["-q"])
    r.wait_open(subject, port)
    for i in range(6):
        lib.check(lib.get(port, f"/{i}").endswith(b"ok"), "an answer")
    rec = r.stop(subject, port, requests=6)
    r.Run(rec).identical(6)
    nothing_left()
    usage(rec)
    no_start(rec, port)
    for options in ([], ["--no-namespaces"]):
        dies(rec, port, "crash", "crashed", "signal 6", options)
        dies(rec, port, "exit", "crashed", "exit code 5", options)
        dies(rec, port, "hang", "hung", "no complete answer", options)
    # Killed in the middle: the stage goes with it.
    p = subprocess.Popen([lib.REPRISE, "replay", rec, "--start-timeout", "60s", "--", lib.PYTHON, "-c", NEVER],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lib.until("the subject to run", lambda: any("nobody listens" in c and "replay" not in c for _, c in r.left_behind()))
    p.kill()
    p.wait()
    # A process that is ending loses its environment before it can be awaited.
    lib.until("the stage to be gone", lambda: not r.left_behind() and not r.children(), 10)
    for name in os.listdir(TMP):
        shutil.rmtree(os.path.join(TMP, name))
    nothing_left()


main()
