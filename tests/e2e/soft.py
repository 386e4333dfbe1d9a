#!/usr/bin/python3
"""The program does not notice that it is recorded: errno, output, standard descriptors, limits, signals, the
search path of dlopen."""
import os
import resource
import shutil
import signal
import subprocess

import lib

BASE = lib.folder()
# Prints what must not depend on being recorded.
PROBE = '''
import errno, os, signal, socket, sys, subprocess, threading
out = []
def err(f, *a):
    try: f(*a)
    except OSError as e: out.append(errno.errorcode[e.errno])
    else: out.append("ok")
s = socket.socket()
err(s.recv, 1)
err(s.send, b"x")
err(s.connect, ("127.0.0.1", 1))
s.close()
err(os.read, 77, 1)
err(os.write, 77, b"")
err(os.close, 77)
err(os.dup2, 77, 78)
a, b = socket.socketpair()
b.close()
err(a.send, b"x")
a.setblocking(False)
r, w = os.pipe()
os.set_blocking(r, False)
err(os.read, r, 1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setblocking(False)
err(u.recv, 10)
out.append(str(signal.getsignal(signal.SIGPIPE)))
out.append(open("/proc/self/status").read().split("SigIgn:")[1].split()[0])
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
p = l.accept()[0]
c.sendall(b"0123456789")
out.append(str(p.recv(4, socket.MSG_PEEK)))
out.append(str(p.recv(4, socket.MSG_WAITALL)))
import ctypes
libc = ctypes.CDLL(None)
out.append(str(libc.recv(p.fileno(), None, 3, socket.MSG_TRUNC)))
out.append(str(p.recv(100)))
if hasattr(os, "splice"):
    c.sendall(b"abc")
    out.append(str(os.splice(p.fileno(), w, 3)))
    out.append(str(os.read(r, 9)))
out.append(subprocess.run(["sh", "-c", "echo $0 \\\"$*\\\"", "a", "b c"], capture_output=True).stdout.decode())
pid = os.fork()
if pid == 0: os._exit(5)
out.append(str(os.waitpid(pid, 0)[1]))
sys.stdout.write("\\n".join(out) + "\\n")
sys.stderr.write("to stderr\\n")
'''


def same_output():
    plain = subprocess.run([lib.PYTHON, "-c", PROBE], capture_output=True, text=True)
    lib.check(plain.returncode == 0, plain.stderr)
    r = lib.Record([lib.PYTHON, "-c", PROBE], ["-q"])
    r.wait()
    lib.check(r.out() == plain.stdout, "output changed:\n", plain.stdout, "---\n", r.out(), r.err())
    lib.check(r.err() == plain.stderr, "stderr changed:", r.err())
    lib.check(lib.balanced(r.rec), "ledger")


def inherited_signals():
    """nohup and systemd start programs with ignored signals, others with blocked ones."""
    def disturb():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    command = ["grep", "-E", "Sig(Ign|Blk|Cgt)", "/proc/self/status"]
    more = {"preexec_fn": disturb, "restore_signals": False}
    plain = subprocess.run(command, capture_output=True, text=True, **more).stdout
    r = lib.Record(command, ["-q"], **more)
    r.wait()
    lib.check(plain and r.out() == plain, "signals changed:\n", plain, "---\n", r.out(), r.err())


def closed_descriptors():
    """Neither recorder nor program have standard descriptors: nothing goes where they were."""
    script = '''
import os
seen = [os.path.exists(f"/proc/self/fd/{i}") for i in range(3)]
open("%s", "w").write(str(seen))
'''
    told = os.path.join(BASE, "told")
    rec = os.path.join(BASE, "closed")
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", lib.REPRISE, "record", "-o", rec, "--",
                    lib.PYTHON, "-c", script % told], check=True)
    lib.check(lib.reprise("verify", rec).returncode == 0, "verify", lib.reprise("verify", rec).stdout)
    lib.check(open(told).read() == "[False, False, False]", "descriptors", open(told).read())


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 11000:
        return
    script = '''
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (11000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
u = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(9900)]
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
s = l.accept()[0]
assert s.fileno() > 9900
c.sendall(b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n"); s.recv(99)
s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"); c.recv(99)
print("fine")
'''
    r = lib.Record([lib.PYTHON, "-c", script], ["-q"])
    r.wait()
    lib.check(r.out() == "fine\n", "10,000 descriptors:", r.err())
    found = lib.sessions(r.rec, every=True)
    lib.check(len([s for s in found if s["kind"] == 0]) == 1, "sessions", found)
    call = [c for s in found for c in s["calls"]]
    lib.check(len(call) == 1 and call[0]["linked_session"] == 1, "an edge to itself is linked", call)


def little_address_space():
    r = lib.Record(["sh", "-c", "ulimit -v 60000; /bin/echo fine"])
    r.wait()
    lib.check(r.out() == "fine\n", "little address space:", r.out(), r.err())
    lib.check("address space" in r.err(), "no note of what was not recorded:", r.err())


def static_program():
    source = lib.write(os.path.join(BASE, "s.c"), 'int main(void) { return 0; }\n')
    binary = os.path.join(BASE, "static")
    if subprocess.run(["gcc", "-static", "-o", binary, source], capture_output=True).returncode != 0:
        return
    r = lib.Record([binary])
    r.wait()
    lib.check("static" in r.err(), "no note of a static program:", r.err())


def dlopen_search():
    """A library found by its caller's RUNPATH and $ORIGIN: the wrapper of dlopen must not be seen."""
    folder = os.path.join(BASE, "dl")
    os.makedirs(os.path.join(folder, "plugins"))
    plugin = lib.write(os.path.join(folder, "p.c"), "int value(void) { return 42; }\n")
    middle = lib.write(os.path.join(folder, "m.c"), '''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int load(void) {
  void *h = dlopen("libplugin-of-reprise-test.so", RTLD_NOW | RTLD_DEEPBIND);
  if (!h) return puts(dlerror()), -1;
  return ((int (*)(void))dlsym(h, "value"))();
}
''')
    main = lib.write(os.path.join(folder, "main.c"), '''
#include <stdio.h>
int load(void);
int main(void) { printf("%d\\n", load()); return 0; }
''')
    lib.compile_c(plugin, os.path.join(folder, "plugins", "libplugin-of-reprise-test.so"), "-shared", "-fPIC")
    lib.compile_c(middle, os.path.join(folder, "libmiddle.so"), "-shared", "-fPIC", "-ldl",
                  "-Wl,--enable-new-dtags,-rpath,$ORIGIN/plugins")
    lib.compile_c(main, os.path.join(folder, "main"), f"-L{folder}", "-lmiddle",
                  "-Wl,--enable-new-dtags,-rpath,$ORIGIN")
    r = lib.Record([os.path.join(folder, "main")], ["-q"])
    r.wait()
    lib.check(r.out() == "42\n", "dlopen by RUNPATH:", r.out())
    if shutil.which("objdump"):
        library = os.path.join(lib.BUILD, "lib", "libreprise-observe.so")
        text = subprocess.run(["objdump", "-d", "--disassemble=dlopen", library], capture_output=True,
                              text=True).stdout
        lib.check("\tret" not in text and ("jmp" in text or "\tbr" in text), "dlopen is not a jump:\n", text)


same_output()
inherited_signals()
closed_descriptors()
many_descriptors()
little_address_space()
static_program()
dlopen_search()
