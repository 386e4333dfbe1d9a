#!/usr/bin/python3
"""A C++ server whose one reading thread hands requests to eight workers; each makes two calls a request. No
thread sees a request and its calls, so that attribution is by who writes the answer: likely, never certain."""
import collections
import os
import shutil
import subprocess

import lib
import replay_lib as r

REQUESTS, CLIENTS = 400, 8


def attribution(rec):
    """How many calls by confidence and evidence; each is in the session whose path it holds."""
    found = collections.Counter()
    for s in lib.sessions(rec, every=True):
        for call in s["calls"]:
            found[call["confidence"], call["evidence"]] += 1
            if s["kind"] != 0:
                continue
            asked, text = s["inbound"]["request"]["text"].split(" ")[1], call["request"]["text"]
            lib.check(f"/stock{asked} " in text or f"hits{asked}\\r" in text, "of another session:", asked, call)
    return found


def main():
    r.need("redis-server")
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        lib.skip("no C++ compiler")
    binary = os.path.join(r.folder(), "pool_server")
    subprocess.run([compiler, "-std=c++20", "-O2", "-pthread", "-o", binary,
                    os.path.join(lib.FIXTURES, "pool_server.cc")], check=True)
    deps, port = r.Dependencies(), lib.free_port()
    ports = [deps.stub(), deps.redis()]
    subject = lib.Record([binary, str(port), *map(str, ports)], ["-q"])
    r.wait_open(subject, port)
    clients = r.Clients(port, CLIENTS)
    answers = clients.drive(REQUESTS, lambda i: f"/id{i}.")
    for i, a in enumerate(answers):
        lib.check(a.endswith(b"GET /stock/id%d. :1\n" % i), "answer", i, a)
    # At once: the reading thread sees the client go while a worker may still return from its write.
    clients.close()
    rec = r.stop(subject, port, requests=REQUESTS)
    deps.end()
    found = attribution(rec)
    lib.check(found == {("likely", "hand-off"): 2 * REQUESTS}, "attribution:", found)
    r.replay_identically(rec, REQUESTS, 20)
    r.Run(rec, "--lanes", "2").identical(REQUESTS)


main()
