#!/usr/bin/python3
"""Nothing leaves the stage and nothing stays of it: other TCP and UDP addresses, Unix sockets, pings, files. What
the program tried is told. What it says to itself, and what its own processes say to each other, is real."""
import os
import socket
import sys
import threading

import lib
import replay_lib as r

FRONT = '''
import http.client, http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def do_GET(self):
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
        c.request("GET", "/go")
        body = b"front of " + c.getresponse().read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Listener:
    """Real sockets of this machine, and whatever reached them."""

    def __init__(self):
        self.heard = []
        self.path = os.path.join(r.folder(), "real.sock")
        local = socket.socket(socket.AF_UNIX)
        local.bind(self.path)
        os.chmod(self.path, 0o777)
        self.tcp, self.udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        local.listen(8)
        for s in (local, self.tcp):
            threading.Thread(target=self.accept, args=(s,), daemon=True).start()
        threading.Thread(target=self.receive, daemon=True).start()

    def accept(self, listener):
        while True:
            self.heard.append(listener.accept())

    def receive(self):
        while True:
            self.heard.append(self.udp.recvfrom(4096))

    def check_that_it_hears(self):
        """A test of the test."""
        before = len(self.heard)
        for kind, where in [(socket.AF_INET, self.tcp.getsockname()), (socket.AF_UNIX, self.path)]:
            with socket.socket(kind) as s:
                s.connect(where)
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.sendto(b"x", self.udp.getsockname())
        lib.until("three to be heard", lambda: len(self.heard) == before + 3)
        self.heard.clear()


def nothing_gets_out(options, mode):
    deps, real = r.Dependencies(), Listener()
    real.check_that_it_hears()
    a = r.Asker({"users": deps.stub()})
    a.record(["http", "users", "GET", "/user/1001"])
    deps.end()
    new_tcp, new_udp = "192.0.2.7 81", "192.0.2.8 9999"
    steps = [["http", "users", "GET", "/user/1001"], ["http", new_tcp, "GET", "/secret"],
             ["udp", new_udp, "secret"], ["resolve", "exfiltrate.example.com"]]
    if mode != "preload":  # which shares the loopback and the files of this machine, and says so
        steps += [["tcp", real.tcp.getsockname()[1], "secret"], ["tcp", real.path, "secret"],
                  ["udp", real.udp.getsockname()[1], "secret"]]
        steps += [["ping", "192.0.2.9"]] if os.geteuid() == 0 else []
    found = a.replay(*steps, options=options)
    result = found.result()
    lib.check(found.code == 1 and (mode is None or result["stage_mode"] == mode), found.code, result["stage_mode"])
    lib.check(not real.heard, mode, "it got out:", [said for _, said in real.heard], found.sessions()[0]["answer"])
    calls = found.sessions()[0]["calls"]
    lib.check(("exact", "GET /user/1001") in found.calls(0), found.calls(0))
    lib.check(("miss", "GET /secret") in found.calls(0), found.calls(0))
    told = {c["dependency"] for c in calls if c["verdict"] == "miss"} | {to for to, _ in found.leaks()}
    lib.check("192.0.2.7:81" in told, "not told:", told)
    lib.check(any("exfiltrate" in label for _, label in found.calls(0)), "a name is not told:", found.calls(0))
    if mode == "preload":
        return lib.check(any("is reached for real" in note for note in result["notes"]), result["notes"])
    lib.check(("192.0.2.8:9999", "udp") in found.leaks(), found.leaks())
    if ["ping", "192.0.2.9"] in steps:
        lib.check(any(to.startswith("192.0.2.9") and p == "icmp" for to, p in found.leaks()), found.leaks())


def files():
    base = r.folder()
    log, other = os.path.join(base, "app.log"), os.path.join(base, "run.pid")
    lib.write(log, "before\n")
    a = r.Asker({})
    steps = [["append", log, "a line\n"], ["append", other, "123\n"], ["read", log]]
    told = a.record(*steps)
    lib.check(told[f"read {log}"] == ["before\na line\n"], told)
    lib.write(log, "before\n")
    os.unlink(other)
    for _ in range(3):  # each time from the same file system
        a.replay().identical(1)
    with open(log) as f:
        lib.check(f.read() == "before\n", "the real file was written to")
    lib.check(not os.path.exists(other), "a file of the replay is on the real file system")


def inside():
    """Self-calls, and an edge between two recorded processes."""
    a = r.Asker({})
    a.record(["self", "/hello"], times=3)
    found = a.replay()
    lib.check(found.code == 0 and found.leaks() == set(), found.result())
    lib.check(all(s["outcome"] == "same" for s in found.sessions()), found.sessions())

    deps, front = r.Dependencies(), lib.free_port()
    back = r.Asker({"users": deps.stub()})
    script = lib.write(os.path.join(r.folder(), "front.py"), FRONT)
    step = ["http", "users", "GET", "/user/1001"]
    subject = lib.Record(["sh", "-c", f'{lib.PYTHON} {script} {front} {back.port} & "$@"; wait', "sh",
                          *back.command(step)], ["-q"])
    r.wait_open(subject, front, back.port)
    for _ in range(10):
        lib.check(b"user/1001" in lib.get(front), "the front's answer")
    rec = r.stop(subject, front, back.port, requests=20)
    deps.end()
    linked = [c["linked_session"] for s in lib.sessions(rec) for c in s["calls"]]
    lib.check(sum(n != 0 for n in linked) == 10, "links:", linked)
    found = r.Run(rec).identical(10)
    lib.check(found.verdicts() == {"exact": 10}, "only the third party is played:", found.verdicts())


def main():
    for case in sys.argv[1:] or ["out", "files", "inside"]:
        if case == "files":
            files()
        elif case == "inside":
            inside()
        else:
            nothing_gets_out([], "root namespaces" if os.geteuid() == 0 else None)
            nothing_gets_out(["--no-namespaces"], "preload")


main()
