#!/usr/bin/python3
"""Whether anything is lost: servers saturated through the default arena, and servers killed under load.

Saturated: nginx and Redis, as fast as the generator can ask, on one CPU; the generator shares the other with the
recorder. Said are the records that the ledger counts as lost, by cause, whether its sums agree, and how many
sessions the recording has of the requests that the generator counted. (wrk does not count what is under way when
its time is over: up to a request more for each connection. Redis' sessions are counted by verb.)

Killed: a recorded server gets requests with ids over eight connections, and SIGKILL at a moment drawn by chance.
Every request whose answer the client had read in full by then must have its session, by id, with that answer.
One call a thread may be open at a kill: the write that has delivered its answer and has not returned yet. So what
is missing is told apart: the newest answer of its connection, or an older one; and answers that the client read
from its socket after the kill are counted, not judged.

Needs wrk, nginx, redis-server, redis-benchmark, taskset, and two CPUs. Ends with 77 if one is missing, with 1 if
something was lost without being counted, or after a kill at all."""
import bench_lib as b
import collections
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

CASES = ("nginx", "redis-p1", "redis-p16")


def sessions_by_verb(reprise, rec):
    """Counts the first words of the lines of `reprise show`: 'GET', 'SET', ..."""
    found = collections.Counter()
    show = subprocess.Popen([reprise, "show", rec], stdout=subprocess.PIPE, text=True, errors="replace")
    for line in show.stdout:
        words = line.split()
        found[words[3] if len(words) > 3 else ""] += 1
    show.wait()
    return found


def saturate(case, args, reprise):
    base, port = b.folder(args.work), b.free_port()
    command = b.nginx(base, port) if case == "nginx" else b.redis(port)
    options = ["--arena", args.arena] if args.arena else []
    subject = b.Subject(case, command, port, reprise, args.work, options)
    before, began = subject.recorder_cpu(), time.monotonic()
    if case == "nginx":
        requests, rate, failed = b.wrk(port, "/1k", args.seconds)
    else:
        pipeline = 16 if case == "redis-p16" else 1
        each = int(args.seconds * (150000 if pipeline == 16 else 25000))
        requests, rate, failed = b.redis_benchmark(port, each, pipeline)
    loaded = time.monotonic() - began
    began = time.monotonic()
    subject.settle(300)
    behind, busy = time.monotonic() - began, subject.recorder_cpu() - before
    peak = memory_peak(subject.process.pid)
    said = subject.stop(seconds=300)
    stages, agree = b.ledger(reprise, subject.rec)
    verbs = sessions_by_verb(reprise, subject.rec)
    size = sum(os.path.getsize(os.path.join(subject.rec, f)) for f in os.listdir(subject.rec))
    subject.discard()
    sessions = verbs["GET"] + (verbs["SET"] if case != "nginx" else 0)
    slack = 50 if case == "nginx" else 0
    lost = sum(stages["arena"]["lost"].values())
    as_sent = requests <= sessions <= requests + slack
    return {"row": [case, f"{loaded:.1f}", f"{rate:,.0f}", f"{requests:,}", f"{sessions:,}",
                    "yes" if as_sent else "NO", b.lost_of(stages["arena"]), "yes" if agree else "NO", failed,
                    f"{behind:.1f}", f"{busy / requests * 1e6:.1f}", f"{peak / 1024:.0f}", f"{size / 1e6:.0f}"],
            "ok": agree and (as_sent or lost > 0), "ledger": stages, "said": said}


def memory_peak(pid):
    """Kilobytes."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


class Client(threading.Thread):
    """One connection that asks for ids until the server is gone; `answered` says when it had which answer."""

    def __init__(self, port, number):
        super().__init__()
        self.port, self.number, self.answered, self.newest = port, number, {}, None

    def run(self):
        try:
            s = socket.create_connection(("127.0.0.1", self.port), 10)
            stream = s.makefile("rb")
            for i in range(10 ** 9):
                who = f"id-{self.number}-{i}"
                s.sendall(f"GET /{who} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
                length, line = -1, stream.readline()
                while line not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                    line = stream.readline()
                body = stream.read(length) if length >= 0 else b""
                if length < 0 or len(body) < length:
                    return
                self.answered[who] = time.monotonic()
                self.newest = who
        except OSError:
            pass


def kill_once(kind, args, reprise, chance):
    """Counts: answers read before the kill, of those without their session (newest of a connection, older), the
    same of answers read after it, ledgers that disagree, records lost."""
    base, port = b.folder(args.work), b.free_port()
    if kind == "nginx":
        command = b.nginx(base, port, 'location / { return 200 "$uri of nginx"; }', master="off")
    else:
        command = [b.PYTHON, os.path.join(b.HERE, "subjects", "python_server.py"), str(port)]
    subject = b.Subject(kind, command, port, reprise, args.work)
    clients = [Client(port, i) for i in range(8)]
    for c in clients:
        c.start()
    time.sleep(chance.uniform(0.02, 0.3))
    newest = {c.newest for c in clients}
    killed = time.monotonic()
    os.kill(subject.root, signal.SIGKILL)
    for c in clients:
        c.join()
    subject.process.wait(60)
    stages, agree = b.ledger(reprise, subject.rec)
    show = subprocess.run([reprise, "show", subject.rec, "--json"], capture_output=True, text=True, errors="replace")
    recorded = set()
    for line in show.stdout.splitlines():
        inbound = json.loads(line)["inbound"]
        who = inbound["request"]["text"].split(" ")[1][1:]
        if inbound["answered"] and who in inbound["answer"]["text"]:
            recorded.add(who)
    subject.discard()
    found = collections.Counter({"disagree": int(not agree), "records": sum(stages["arena"]["lost"].values())})
    for who, at in ((who, at) for c in clients for who, at in c.answered.items()):
        when = "before" if at < killed else "after"
        found[when] += 1
        if who not in recorded:
            found[("newest" if who in newest else "older") if when == "before" else "lost after"] += 1
    return found


def main():
    p = b.parser(__doc__)
    p.add_argument("--seconds", type=float, default=10, help="of saturation (10; Redis: about)")
    p.add_argument("--kills", type=int, default=100, help="(100; half of them nginx, half a threaded Python server)")
    p.add_argument("--arena", default=None, metavar="SIZE", help="of the recorder (its default)")
    p.add_argument("--seed", type=int, default=1, help="of the moments of the kills (1)")
    p.add_argument("cases", nargs="*", metavar="CASE", help="to saturate, of " + ", ".join(CASES) + " (all)")
    args = p.parse_args()
    if set(args.cases) - set(CASES):
        p.error("no such case: " + ", ".join(set(args.cases) - set(CASES)))
    b.need("wrk", "nginx", "redis-server", "redis-benchmark", "taskset")
    b.need_cpus(2)
    reprise = b.reprise_of(args.build)
    print(b.machine())
    kept, rows, ok = {}, [], True
    for case in (args.cases or CASES) if args.seconds > 0 else ():
        b.say(f"saturating {case}")
        r = kept[case] = saturate(case, args, reprise)
        rows.append(r.pop("row"))
        ok = ok and r["ok"]
    b.say("")
    if rows:
        print("saturated through the default arena" if args.arena is None else f"saturated, --arena {args.arena}")
        b.table(["case", "seconds", "req/s", "requests", "sessions", "all there", "records lost", "sums agree",
                 "failed", "caught up in s", "collector us", "its peak MB", "recording MB"], rows)
    chance, kills = random.Random(args.seed), {"nginx": collections.Counter(), "python": collections.Counter()}
    for i in range(args.kills):
        kind = ("nginx", "python")[i % 2]
        b.say(f"kill {i + 1} of {args.kills}")
        kills[kind] += kill_once(kind, args, reprise, chance)
        kills[kind]["kills"] += 1
    b.say("")
    if args.kills:
        print("\nSIGKILL under load, eight connections: answers read before it, and those without a session")
        b.table(["subject", "kills", "answers", "lost", "in the call under way", "read after", "lost of those",
                 "records lost", "ledgers wrong"],
                [[kind, n["kills"], f"{n['before']:,}", n["older"], n["newest"], n["after"], n["lost after"],
                  n["records"], n["disagree"]] for kind, n in kills.items()])
    lost = sum(n["older"] + n["disagree"] for n in kills.values())
    kept["kills"] = kills
    b.keep(args.json, kept)
    sys.exit(0 if ok and lost == 0 else 1)


main()
