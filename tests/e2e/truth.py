#!/usr/bin/python3
"""Attribution on traffic that carries its own truth: the id of a request is in the bytes of its calls.
Calls marked certain are right in 99.9 % or more, whatever the shape of the server."""
import collections
import os
import subprocess
import sys

import lib

REQUESTS, CONCURRENCY = 2000, 20
KINDS = sys.argv[1:] or ["threads", "pool", "handoff", "loop", "prefork", "fork_each"]


def truth_of(call):
    text = call["request"]["text"]
    if text.startswith("GET /call/"):
        return text.split(" ")[1][6:]
    parts = text.split("\\r\\n")
    return parts[4] if len(parts) > 4 else None


def measure(kind, ports):
    r = lib.Record([lib.PYTHON, os.path.join(lib.FIXTURES, "truth_server.py"), kind, *ports], ["-q"])
    port = r.port()
    answers = lib.drive(port, REQUESTS, CONCURRENCY, lambda i: f"/id{i}")
    lib.check(all(a and a.endswith(b"id%d" % i) for i, a in enumerate(answers)), kind, "answers")
    lib.check(r.stop() == 0, kind, "exit", r.err())
    lib.check(lib.balanced(r.rec), kind, "ledger", lib.ledger(r.rec))
    lib.check(lib.ledger(r.rec)["arena"]["lost"] == {}, kind, "lost", lib.ledger(r.rec))
    inbound, calls = {}, []
    found = lib.sessions(r.rec, every=True)
    for s in found:
        if s["kind"] == 0:
            inbound[s["id"]] = s["inbound"]["request"]["text"].split(" ")[1][1:]
        calls += [(s["id"] if s["kind"] == 0 else 0, c) for c in s["calls"]]
    lib.check(len(inbound) == REQUESTS, kind, len(inbound), "sessions, sent", REQUESTS)
    lib.check(len(set(inbound.values())) == REQUESTS, kind, "sessions differ from what was sent")
    lib.check(not any(s["incomplete"] for s in found), kind, "incomplete sessions")
    table, among, total = collections.Counter(), collections.Counter(), 0
    for session, c in calls:
        who = truth_of(c)
        if who is None:
            continue
        total += 1
        table[(c["confidence"], c["evidence"], inbound.get(session) == who)] += 1
        if c["confidence"] == "ambiguous":
            among[who in [inbound.get(k) for k in c["candidates"]]] += 1
    lib.check(total == 3 * REQUESTS, kind, total, "calls, made", 3 * REQUESTS)
    return table, among


def main():
    stub = subprocess.Popen([lib.PYTHON, os.path.join(lib.FIXTURES, "stub_backends.py")],
                            stdout=subprocess.PIPE, text=True)
    failed = []
    try:
        ports = stub.stdout.readline().split()
        print(f"{'server':10} {'confidence':10} {'evidence':13} {'right':>6} {'wrong':>6}")
        for kind in KINDS:
            table, among = measure(kind, ports)
            for confidence, evidence in sorted({k[:2] for k in table}):
                right, wrong = table[(confidence, evidence, True)], table[(confidence, evidence, False)]
                if confidence == "ambiguous":
                    right, wrong = among[True], among[False]
                print(f"{kind:10} {confidence:10} {evidence:13} {right:6} {wrong:6}", flush=True)
                if confidence in ("certain", "ambiguous") and wrong > 0.001 * (right + wrong):
                    failed.append((kind, confidence, evidence, right, wrong))
            if kind in ("threads", "pool", "prefork", "fork_each"):
                certain = sum(n for k, n in table.items() if k[0] == "certain")
                if certain < 0.999 * 3 * REQUESTS:
                    failed.append((kind, "only", certain, "certain"))
    finally:
        stub.kill()
        stub.wait()
    lib.check(not failed, "not right often enough:", failed)


main()
