#!/usr/bin/python3
"""The same session bytes, whichever function of libc moved them, over IPv4, IPv6, dual-stack and Unix."""
import os
import socket

import lib

MODES = ["recv", "read", "readv", "recvmsg", "recvmmsg", "recvfrom", "peek", "byte", "send", "write", "writev",
         "sendmsg", "sendmmsg", "sendto", "sendfile", "dup", "accept_null", "accept4"]
REQUEST = b"GET /ping?x=%d HTTP/1.1\r\nHost: t\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npong\n"


def ask(family, where, i):
    if family == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(where)
    else:
        s = socket.create_connection(("::1" if family == "6" else "127.0.0.1", where), 20)
    with s:
        s.sendall(REQUEST % i)
        got = b""
        while piece := s.recv(4096):
            got += piece
        return got


def shown(rec, number, flag):
    return lib.reprise("show", rec, str(number), flag).stdout


def run(binary, mode, family):
    path = os.path.join(lib.folder(), "s")
    r = lib.Record([binary, mode, family, path])
    port = r.port()
    for i in range(3):
        lib.check(ask(family, path if family == "unix" else port, i) == ANSWER, mode, family, "answer")
    lib.check(r.wait() == 0, mode, family, "exit", r.err())
    found = lib.sessions(r.rec)
    lib.check(len(found) == 3, mode, family, len(found), "sessions")
    for i, s in enumerate(found):
        got = s["inbound"]
        want = (REQUEST % i).decode().replace("\r", "\\r").replace("\n", "\\n")
        lib.check(got["request"]["text"] == want, mode, family, "request", got["request"])
        lib.check(got["answer"]["bytes"] == len(ANSWER), mode, family, "answer", got["answer"])
        lib.check(got["protocol"] == "http1" and not s["incomplete"], mode, family, s)
    raw = lib.reprise("show", r.rec, "1", "--raw").stdout
    lib.check("pong" in raw and "GET /ping?x=0" in raw, mode, family, "raw", raw)
    lib.check(lib.balanced(r.rec), mode, family, "ledger")
    lib.check(lib.ledger(r.rec)["arena"]["lost"] == {}, mode, family, "lost")


def main():
    base = lib.folder()
    source = os.path.join(lib.FIXTURES, "c_server.c")
    plain = lib.compile_c(source, os.path.join(base, "plain"), "-U_FORTIFY_SOURCE")
    fortified = lib.compile_c(source, os.path.join(base, "fortified"), "-D_FORTIFY_SOURCE=2")
    for mode in MODES:
        run(plain, mode, "4")
    for mode in ["recv", "read", "recvfrom"]:
        run(fortified, mode, "4")
    for family in ["6", "dual", "unix"]:
        if family == "6" and not socket.has_ipv6:
            continue
        for mode in ["recv", "accept_null", "recvfrom", "sendfile"]:
            run(plain, mode, family)


main()
