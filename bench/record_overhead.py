#!/usr/bin/python3
"""What `reprise record` costs the program that it records.

Three copies of a server are up at once: A and B bare, R recorded. Each round puts the same load on each of them,
in an order drawn anew; a pair is R and A of one round, and B and A are the A/A control. Copies are replaced now
and then. Subjects run on one CPU,
the load generator and the recorder on the other. Between two loads the recorder catches up.

  CPU a request      user and system time of the subject's processes, over requests counted by the generator
  throughput         requests a second; the recorder takes its share of the generator's CPU
  collector          CPU of the recorder for each recorded request, catching up included
  lost               records that the ledger counts as lost, by cause

Needs wrk, nginx, redis-server and redis-benchmark, taskset, and two CPUs. Ends with 77 if one is missing."""
import bench_lib as b
import os

CASES = ("nginx", "redis-p1", "redis-p16", "python")
TARGETS = {"nginx": 1.10, "redis-p1": 1.03, "redis-p16": 1.03, "python": 1.03}


def command_of(case, base, port):
    if case == "nginx":
        return b.nginx(base, port, name=f"nginx-{port}")
    if case == "python":
        return [b.PYTHON, os.path.join(b.HERE, "subjects", "python_server.py"), str(port)]
    return b.redis(port)


def load_of(case, seconds):
    """load(subject) -> (requests, rate, failed). Redis: a fixed count that takes about `seconds`."""
    if case == "nginx":
        return lambda s: b.wrk(s.port, "/1k", seconds)
    if case == "python":
        return lambda s: b.wrk(s.port, "/thing", seconds, connections=16)
    pipeline, rate = (1, 60000) if case == "redis-p1" else (16, 400000)
    return lambda s: b.redis_benchmark(s.port, int(seconds * rate / 2), pipeline)


def start(case, args, reprise):
    """Fresh copies: where a process happens to lie in memory is worth some percent, for as long as it lives."""
    base, subjects = b.folder(args.work), {}
    for name in "ABR":
        port = b.free_port()
        subjects[name] = b.Subject(name, command_of(case, base, port), port, reprise if name == "R" else None,
                                   args.work, ["--arena", args.arena] if args.arena else [])
        load_of(case, 0.2)(subjects[name])  # warm: caches, Python's code
    subjects["R"].settle()
    return subjects


def measure(case, args, reprise):
    load = load_of(case, args.seconds)
    total = {"rounds": [], "failed": 0, "requests": 0, "collector_s": 0.0, "lost": {}, "sums_agree": True}
    while len(total["rounds"]) < args.pairs:
        subjects = start(case, args, reprise)
        recorder = subjects["R"]
        before_all = recorder.recorder_cpu()
        for i in range(len(total["rounds"]), min(len(total["rounds"]) + args.fresh, args.pairs)):
            b.say(f"{case}: round {i + 1} of {args.pairs}")
            row = {}
            for name in b.shuffled("ABR", seed=i):
                s = subjects[name]
                before = s.cpu()
                requests, rate, bad = load(s)
                row[name] = {"us": (s.cpu() - before) / requests * 1e6, "rate": rate}
                total["failed"] += bad
                if name == "R":
                    total["requests"] += requests
                    s.settle()
            total["rounds"].append(row)
        total["collector_s"] += recorder.recorder_cpu() - before_all
        for s in subjects.values():
            s.stop()
        stages, agree = b.ledger(reprise, recorder.rec)
        total["sums_agree"] &= agree
        for cause, n in stages["arena"]["lost"].items():
            total["lost"][cause] = total["lost"].get(cause, 0) + n
        recorder.discard()
    return total


def main():
    p = b.parser(__doc__)
    p.add_argument("--pairs", type=int, default=20, help="rounds of each case (20)")
    p.add_argument("--seconds", type=float, default=1.0, help="of each load (1)")
    p.add_argument("--fresh", type=int, default=2, metavar="N", help="new copies after each N rounds (2)")
    p.add_argument("--arena", default=None, metavar="SIZE", help="of the recorder (its default)")
    p.add_argument("cases", nargs="*", metavar="CASE", help="of " + ", ".join(CASES) + " (all)")
    args = p.parse_args()
    cases = args.cases or CASES
    if set(cases) - set(CASES):
        p.error("no such case: " + ", ".join(set(cases) - set(CASES)))
    b.need("wrk", "nginx", "redis-server", "redis-benchmark", "taskset")
    b.need_cpus(2)
    reprise = b.reprise_of(args.build)
    print(b.machine())
    rows, kept = [], {}
    for case in cases:
        r = kept[case] = measure(case, args, reprise)
        ratio = lambda of, over, key: [x[of][key] / x[over][key] for x in r["rounds"]]
        cpu, control = ratio("R", "A", "us"), ratio("B", "A", "us")
        bare = b.quartiles([x["A"]["us"] for x in r["rounds"]])[1]
        meets = "yes" if b.quartiles(cpu)[1] <= TARGETS[case] else "NO"
        rows.append([case, len(cpu), f"{bare:.2f}", b.spread(cpu), b.spread(control), f"{TARGETS[case]:.2f} {meets}",
                     b.spread(ratio("R", "A", "rate"), 2), f"{r['collector_s'] / r['requests'] * 1e6:.2f}",
                     b.lost_of(r) + ("" if r["sums_agree"] else " SUMS DISAGREE"), r["failed"]])
    b.say("")
    print("CPU of the subject a request, recorded over bare: median of the ratios of pairs [quartiles]")
    b.table(["case", "n", "bare us", "recorded / bare", "A/A control", "target", "throughput", "collector us", "lost",
             "failed"], rows)
    b.keep(args.json, kept)


main()
