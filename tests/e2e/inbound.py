#!/usr/bin/python3
"""Programs that are asked over other protocols and other kinds of listener: Redis itself, lines of text, HTTP over
a Unix socket, over IPv6, at addresses that this machine does not have, and a daemon with a pid file that drops
its privileges. Each recorded, ended, and replayed identically 20 times."""
import os
import shutil
import socket
import subprocess
import sys

import lib
import replay_lib as r

TIMES = 20
HTTP = '''
import http.server, os, socket, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = sys.argv[1] != "AF_UNIX"
    def log_message(self, *_): pass
    def do_GET(self):
        body = f"{self.path} from {self.client_address and self.client_address[0]}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
family, where = sys.argv[1:]
class Server(http.server.ThreadingHTTPServer):
    address_family = getattr(socket, family)
    daemon_threads = True
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
address = where
if family != "AF_UNIX":
    host, _, port = where.rpartition(" ")
    address = (host, int(port))
elif os.path.exists(where):
    os.unlink(where)
Server(address, Handler).serve_forever()
'''
LINES = '''
import socket, sys, threading
l = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
def serve(s):
    count = 0
    for line in s.makefile("rb"):
        count += 1
        s.sendall(b"%d: %s" % (count, line[::-1].strip() + b"\\n"))
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
'''
NGINX = """
daemon on; pid {work}/run/nginx.pid; error_log {work}/run/error.log; worker_processes 2; user www-data;
events {{}}
http {{ access_log {work}/run/access.log; client_body_temp_path {work}/run/b; proxy_temp_path {work}/run/p;
  fastcgi_temp_path {work}/run/f; uwsgi_temp_path {work}/run/u; scgi_temp_path {work}/run/s;
  server {{ listen 127.0.0.1:{port}; root {work}/www; location /api/ {{ proxy_pass http://127.0.0.1:{backend}; }} }} }}
"""


def ask(family, address, paths):
    """Requests on one connection; the answers."""
    with socket.socket(family) as s:
        s.settimeout(20)
        s.connect(address)
        out = []
        for path in paths:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            out.append(lib.read_answer(s))
            lib.check(out[-1].startswith(b"HTTP/1.1 200"), path, out[-1])
        return out


def redis_server():
    r.need("redis-server")
    try:
        import redis  # pylint: disable=import-outside-toplevel
    except ImportError:
        lib.skip("python3-redis is not installed")
    port, base = lib.free_port(), r.folder()
    subject = lib.Record(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", base],
                         ["-q"])
    r.wait_open(subject, port)
    with socket.create_connection(("127.0.0.1", port)) as s:
        said = s.makefile("rb")
        sent = 0
        for command, wanted in [(b"SET a 1", b"+OK"), (b"INCR a", b":2"), (b"INCR a", b":3"), (b"APPEND b xy", b":2")]:
            s.sendall(command + b"\r\n")
            lib.check(said.readline().strip() == wanted, command)
            sent += 1
        s.sendall(b"".join(b"*2\r\n$4\r\nINCR\r\n$1\r\np\r\n" for _ in range(10)))
        lib.check([said.readline() for _ in range(10)] == [b":%d\r\n" % i for i in range(1, 11)], "pipeline")
        sent += 10
    db = redis.Redis("127.0.0.1", port, single_connection_client=True)
    for i in range(20):
        db.set(f"k{i}", b"v\0" * i)
        lib.check(db.get(f"k{i}") == b"v\0" * i, "get")
        lib.check(db.hincrby("h", "f", i) >= 0, "hincrby")
    lib.check(db.get("absent") is None and db.lrange("none", 0, -1) == [], "nothing")
    sent += 62
    db.close()
    rec = r.stop(subject, port)
    found = [s for s in lib.sessions(rec) if not s["inbound"]["label"].startswith("CLIENT")]
    lib.check(len(found) == sent, len(found), "sessions,", sent, "commands sent")
    r.replay_identically(rec, len(lib.sessions(rec)), TIMES)


def lines():
    port = lib.free_port()
    subject = lib.Record([lib.PYTHON, "-c", LINES, str(port)], ["-q"])
    r.wait_open(subject, port)
    for client in range(4):
        with socket.create_connection(("127.0.0.1", port)) as s, s.makefile("rb") as said:
            for i in range(5):
                s.sendall(b"line %d of %d\n" % (i, client))
                lib.check(said.readline().startswith(b"%d: " % (i + 1)), "a line")
    rec = r.stop(subject, port, requests=20)
    r.replay_identically(rec, 20, TIMES)


def http(family, host):
    """An HTTP server at a place of its own."""
    place = os.path.join(r.folder(), "a.sock") if family == "AF_UNIX" else lib.free_port()
    kind = getattr(socket, family)
    where = place if family == "AF_UNIX" else f"{host} {place}"
    subject = lib.Record([lib.PYTHON, "-c", HTTP, family, where], ["-q"])
    r.wait_open(subject, place, host=host)
    address = place if family == "AF_UNIX" else (host, place)
    for client in range(3):
        ask(kind, address, [f"/{client}/{i}" for i in range(5)])
    return r.stop(subject, place, requests=15, host=host)


def only_inside():
    """In a network namespace of its own: the server's address and the client's are nowhere else."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ("10.77.0.1/24", "10.77.0.2/24"):
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    port = lib.free_port()
    subject = lib.Record([lib.PYTHON, "-c", HTTP, "AF_INET", f"10.77.0.1 {port}"], ["-q"])
    r.wait_open(subject, port, host="10.77.0.1")
    for i in range(10):
        with socket.create_connection(("10.77.0.1", port), source_address=("10.77.0.2", 0)) as s:
            s.sendall(b"GET /%d HTTP/1.1\r\nHost: t\r\n\r\n" % i)
            lib.check(b"from 10.77.0.2" in lib.read_answer(s), "the client's address")
    shutil.copytree(r.stop(subject, port, requests=10, host="10.77.0.1"), sys.argv[2])


def foreign_address():
    r.need("unshare", "ip")
    if os.geteuid() != 0:
        return
    rec = os.path.join(r.folder(), "rec")
    done = subprocess.run(["unshare", "-n", lib.PYTHON, os.path.abspath(__file__), "only-inside", rec],
                          capture_output=True, text=True)
    lib.check(done.returncode == 0, "in a network namespace:", done.stdout, done.stderr)
    r.replay_identically(rec, 10, TIMES)


def daemon():
    r.need("nginx")
    if os.geteuid() != 0:
        return
    work, port, deps = r.folder(), lib.free_port(), r.Dependencies()
    for name in ("run", "www"):
        os.mkdir(os.path.join(work, name))
    page = lib.write(os.path.join(work, "www/page.html"), "<p>static</p>\n" * 500)
    os.chmod(page, 0o644)
    conf = lib.write(os.path.join(work, "nginx.conf"), NGINX.format(work=work, port=port, backend=deps.stub()))
    subject = lib.Record(["nginx", "-c", conf], ["-q"])
    r.wait_open(subject, port)
    pid_file, log = os.path.join(work, "run/nginx.pid"), os.path.join(work, "run/access.log")
    for client in range(4):
        ask(socket.AF_INET, ("127.0.0.1", port), ["/page.html", f"/api/{client}", "/page.html", f"/api/x{client}"])
    lib.check(os.path.exists(pid_file), "no pid file")
    rec = r.stop(subject, port, requests=16)
    deps.end()
    lib.until("nginx to be gone", lambda: not r.left_behind())
    shutil.rmtree(os.path.join(work, "run"))
    os.mkdir(os.path.join(work, "run"))
    r.replay_identically(rec, 16, TIMES)
    lib.check(os.listdir(os.path.join(work, "run")) == [], "files of a replay are on the real file system")
    lib.check(not os.path.exists(log), "a log of a replay is on the real file system")


def main():
    redis_server()
    lines()
    r.replay_identically(http("AF_UNIX", "127.0.0.1"), 15, TIMES)
    if os.path.exists("/proc/net/if_inet6") and r.has_ipv6():
        r.replay_identically(http("AF_INET6", "::1"), 15, TIMES)
    r.replay_identically(http("AF_INET", "127.0.0.5"), 15, TIMES)
    foreign_address()
    daemon()


if sys.argv[1:2] == ["only-inside"]:
    only_inside()
elif len(sys.argv) > 1:
    globals()[sys.argv[1]]()
else:
    main()
