#!/usr/bin/python3
"""Every process of the tree is recorded: shells, forks, execs, vforks, daemons that close everything and
clear their environment; and one that is killed takes nothing of the others with it."""
import os
import signal
import sys
import threading

import lib

SERVER = '''
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
def serve(l):
    while True:
        s, _ = l.accept()
        try:
            while True:
                d = b""
                while not d.endswith(b"\\r\\n\\r\\n"):
                    p = s.recv(4096)
                    if not p: raise EOFError
                    d += p
                body = b"%d" % os.getpid()
                s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        except (EOFError, OSError):
            s.close()
'''
EXECD = SERVER + '''
serve(socket.socket(fileno=int(sys.argv[1])))
'''
LISTEN = '''
l = socket.create_server(("127.0.0.1", 0), backlog=128)
print(l.getsockname()[1], flush=True)
'''
# A shell starts a master that forks a helper, which execs the worker with the listening socket.
FORK_EXEC = SERVER + LISTEN + '''
os.set_inheritable(l.fileno(), True)
if os.fork() == 0:
    os.execv(sys.executable, [sys.executable, sys.argv[1], str(l.fileno())])
while True: signal.pause()
'''
# The same by vfork and exec, with an environment that has nothing of ours.
VFORK = SERVER + LISTEN + '''
import subprocess
p = subprocess.Popen([sys.executable, sys.argv[1], str(l.fileno())], pass_fds=[l.fileno()], env={"PATH": "/bin"})
p.wait()
'''
PREFORK = SERVER + LISTEN + '''
for _ in range(4):
    if os.fork() == 0: serve(l)
while True: signal.pause()
'''
DAEMON = SERVER + LISTEN + '''
keep = l.fileno()
os.set_inheritable(keep, True)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(3, keep)
os.closerange(keep + 1, 65536)
for fd in range(keep + 1, 4096):
    try: os.close(fd)
    except OSError: pass
os.execve(sys.executable, [sys.executable, sys.argv[1], str(keep)], {})
'''
# One process accepts and passes each connection to another over SCM_RIGHTS.
PASSED = SERVER + LISTEN + '''
a, b = socket.socketpair()
if os.fork() == 0:
    class One:
        def accept(self):
            return socket.socket(fileno=socket.recv_fds(b, 1, 1)[1][0]), None
    serve(One())
while True:
    s, _ = l.accept()
    socket.send_fds(a, [b"x"], [s.fileno()])
    s.close()
'''


def start(base, script, *arguments):
    path = lib.write(os.path.join(base, "server.py"), script)
    worker = lib.write(os.path.join(base, "worker.py"), EXECD)
    return lib.Record(["sh", "-c", 'true; "$@"; true', "sh", lib.PYTHON, path, worker, *arguments], ["-q"])


def plain(name, script, count=60):
    r = start(lib.folder(), script)
    answers = lib.drive(r.port(), count, 6)
    lib.check(all(a.startswith(b"HTTP/1.1 200") for a in answers), name, "answers", answers[:3])
    lib.check(r.stop() == 0, name, "exit", r.err())
    found = lib.sessions(r.rec)
    lib.check(len(found) == count, name, len(found), "sessions of", count)
    lib.check(not any(s["incomplete"] for s in found), name, "incomplete")
    lib.check(lib.balanced(r.rec), name, "ledger")


def killed():
    """One of four children is killed under load: of the others nothing is lost."""
    r = start(lib.folder(), PREFORK)
    port = r.port()
    victim = int(lib.get(port).split(b"\r\n\r\n")[1])
    answers = []
    load = threading.Thread(target=lambda: answers.extend(lib.drive(port, 4000, 8, keep=False)))
    load.start()
    lib.until("half a load", lambda: len(lib.sessions(r.rec)) > 200)
    os.kill(victim, signal.SIGKILL)
    load.join()
    r.stop()
    answered = sum(a.startswith(b"HTTP/1.1 200") and a.split(b"\r\n\r\n")[1] != b"" for a in answers) + 1
    found = lib.sessions(r.rec)
    whole = [s for s in found if not s["incomplete"]]
    lib.check(answered > 3000, "killed: too few answers", answered)
    lib.check(answered <= len(whole) <= answered + 1, "killed:", len(whole), "sessions of", answered)
    lib.check(lib.balanced(r.rec), "killed: ledger")


for name, script in [("fork_exec", FORK_EXEC), ("vfork", VFORK), ("prefork", PREFORK), ("daemon", DAEMON),
                     ("passed", PASSED)]:
    if len(sys.argv) < 2 or name in sys.argv[1:]:
        plain(name, script)
if len(sys.argv) < 2 or "killed" in sys.argv[1:]:
    killed()
