#!/usr/bin/python3
"""No answer is invented, and none is lost: other questions are missed by name, the same ones in another order are
answered rightly, repeated reads are told from repeated writes, and failures fail again in the same way."""
import json
import os
import shutil
import subprocess
import sys

import lib
import replay_lib as r

USERS = [["http", "users", "GET", path] for path in ("/user/1001", "/user/1002", "/order/7777")]
LONG = "/" + "/".join(f"very-long-{i}" for i in range(40))
# Breaks off in the middle of an answer: by a reset, or by an end.
BREAKER = '''
import socket, struct, sys
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    s = l.accept()[0]
    asked = s.recv(4096)
    if not asked: continue
    s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nonly this")
    if b"reset" in asked:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
'''
NAMES = [["resolve", "db.test"], ["resolve", "no-such-name.test"], ["resolve", "broken.test"],
         ["http", "here", "GET", "/by-name"]]
DNS = '''
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    q, who = s.recvfrom(512)
    end = 12
    while q[end]: end += q[end] + 1
    end += 5
    ask_a = q[end - 3] == 1
    code = 0 if q[12:].startswith(b"\\2db\\4test") else 2 if b"broken" in q else 3
    found = code == 0 and ask_a
    head = q[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, found, 0, 0, 0, 0])
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\x7f\\0\\0\\1" if found else b""
    s.sendto(head + q[12:end] + answer, who)
'''
UDP = '''
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    data, who = s.recvfrom(4096)
    s.sendto(b"echo " + data, who)
'''
HTTP = '''
import http.server, socket, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = sys.argv[1] != "AF_UNIX"
    def log_message(self, *_): pass
    def do_GET(self):
        body = b"real " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
family, where = sys.argv[1:]
class Server(http.server.ThreadingHTTPServer):
    address_family = getattr(socket, family)
    def server_bind(self): self.socket.bind(self.server_address)
Server(where if family == "AF_UNIX" else ("::1", int(where)), Handler).serve_forever()
'''


def other_questions(deps):
    a = r.Asker({"users": deps.stub()})
    told = a.record(*USERS)
    lib.check(told["http users GET /order/7777"] == [[200, "GET /order/7777"]], told)
    deps.end()
    a.replay().identical(1)
    found = a.replay(*[["http", "users", "GET", path] for path in ("/admin/0000", LONG, "/user/9999")])
    lib.check(found.code == 1, "exit", found.code)
    calls = found.sessions()[0]["calls"]
    lib.check([c["verdict"] for c in calls] == ["miss"] * 3 + ["unused"] * 3, [c["verdict"] for c in calls])
    for c in calls[:3]:
        lib.check(c["nearest"].startswith("GET /") and c["reason"], "a miss without its nearest:", c)
        lib.check(c["differences"], "a miss without what differs:", c)
    lib.check(calls[2]["nearest"] in ("GET /user/1001", "GET /user/1002"), calls[2])
    lib.check(any(d["live"] == "9999" and d["recorded"] in ("1001", "1002") for d in calls[2]["differences"]),
              calls[2]["differences"])
    live = json.dumps(found.sessions()[0]["answer"])
    lib.check(live.count("502") >= 3, "no 502 was seen by the program:", live)
    lib.check("GET /user/1001" not in [d["live"] for d in found.sessions()[0]["answer"]], "an invented answer")
    reverse = a.replay(*reversed(USERS)).identical(1)
    lib.check(reverse.verdicts() == {"exact": 3}, reverse.verdicts())


def repeated(deps):
    a = r.Asker({"users": deps.stub(), "cache": deps.redis()})
    read, write = ["http", "users", "GET", "/user/1001"], ["http", "users", "POST", "/order", "x=1"]
    incr = ["redis", "cache", "INCR", "n"]
    told = a.record(read, write, incr, incr, incr)
    lib.check(told["redis cache INCR n"] == [":1", ":2", ":3"], told)
    deps.end()
    a.replay().identical(1)
    again = a.replay(read, read, read, write, write, write, incr, incr, incr, incr)
    wanted = ["exact", "retry", "retry", "exact", "miss", "miss", "exact", "exact", "exact", "miss"]
    lib.check([v for v, _ in again.calls(0)] == wanted, again.calls(0))
    lib.check(again.code == 1, "exit", again.code)
    fewer = a.replay(read, write, incr)
    lib.check([v for v, _ in fewer.calls(0)] == ["exact"] * 3 + ["unused"] * 2, fewer.calls(0))


def kinds(deps):
    place, path = {"udp": lib.free_port()}, os.path.join(r.folder(), "d.sock")
    deps.python(UDP, place["udp"], arguments=[place["udp"]])
    deps.python(HTTP, path, arguments=["AF_UNIX", path])
    place["unix"] = path
    steps = [["udp", "udp", "one"], ["udp", "udp", "two"], ["http", "unix", "GET", "/u"]]
    if r.has_ipv6():
        port = lib.free_port()
        deps.python(HTTP, port, host="::1", arguments=["AF_INET6", port])
        place["six"] = f"::1 {port}"
        steps += [["http", "six", "GET", "/6"]]
    a = r.Asker(place)
    told = a.record(*steps, times=3)
    lib.check(told["udp udp two"] == ["echo two"] and told["http unix GET /u"] == [[200, "real /u"]], told)
    deps.end()
    if os.path.exists(path):
        os.unlink(path)
    run = a.replay().identical(3)
    lib.check(run.verdicts() == {"exact": 3 * len(steps)}, run.verdicts())
    other = a.replay(["udp", "udp", "three"], ["http", "unix", "GET", "/v"], options=["--session", "1"])
    lib.check([v for v, _ in other.calls(0)][:2] == ["miss", "miss"], other.calls(0))


def failures(deps):
    place = {"nobody": lib.free_port(), "breaker": lib.free_port()}
    deps.python(BREAKER, place["breaker"], arguments=[place["breaker"]])
    a = r.Asker(place)
    steps = [["http", "nobody", "GET", "/"], ["http", "breaker", "GET", "/reset"],
             ["http", "breaker", "GET", "/cut"]]
    told = a.record(*steps, times=2)
    lib.check(told["http nobody GET /"] == ["ConnectionRefusedError 111"], told)
    lib.check(told["http breaker GET /reset"] == ["ConnectionResetError 104"], told)
    lib.check(told["http breaker GET /cut"][0].startswith("IncompleteRead"), told)
    deps.end()
    a.replay().identical(2)


def in_a_resolver_of_our_own():
    """In network and mount namespaces: a DNS server that knows one name, and fails for another."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    conf = lib.write(os.path.join(r.folder(), "resolv.conf"), "nameserver 127.0.0.53\noptions attempts:1 timeout:2\n")
    subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)
    deps, port = r.Dependencies(), lib.free_port()
    deps.python(DNS, port, arguments=[port])
    a = r.Asker({"here": f"db.test {deps.stub()}"})
    told = a.record(*NAMES)
    lib.check(told["resolve db.test"] == [["127.0.0.1"]], told)
    lib.check(told["resolve no-such-name.test"] == ["gaierror -2"], told)
    lib.check(told["resolve broken.test"] == ["gaierror -3"], told)
    deps.end()
    shutil.copytree(a.rec, sys.argv[2])


def names(_):
    if os.geteuid() != 0:
        return
    r.need("unshare", "ip", "mount")
    rec = os.path.join(r.folder(), "rec")
    done = subprocess.run(["unshare", "-n", "-m", lib.PYTHON, os.path.abspath(__file__), "in-namespaces", rec],
                          capture_output=True, text=True)
    lib.check(done.returncode == 0, "in namespaces:", done.stdout, done.stderr)
    r.Run(rec).identical(1)


def main():
    if sys.argv[1:2] == ["in-namespaces"]:
        return in_a_resolver_of_our_own()
    r.need("redis-server")
    for case in [other_questions, repeated, kinds, failures, names]:
        if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]:
            case(r.Dependencies())


main()
