#!/usr/bin/python3
"""What `reprise record` costs the program that it records.

Three copies of a server are up at once: A and B bare, R recorded. Each round puts the same load on each of them,
in an order drawn anew; a pair is R and A of one round, and B and A are the A/A control. Subjects run on one CPU,
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


def measure(case, args, reprise):
    base = b.folder(args.work)
    subjects = {}
    for name in "ABR":
        port = b.free_port()
        subjects[name] = b.Subject(name, command_of(case, base, port), port, reprise if name == "R" else None, args.work,
                                   ["--arena", args.arena] if args.arena else [])
    load = load_of(case, args.seconds)
    for s in subjects.values():  # warm: caches, the arena's pages, Python's code
        load(s)
    recorder = subjects["R"]
    recorder.settle()
    recorder_before, recorded, failed, rounds = recorder.recorder_cpu(), 0, 0, []
    for i in range(args.pairs):
        b.say(f"{case}: round {i + 1} of {args.pairs}")
        row = {}
        for name in b.shuffled("ABR", seed=i):
            s = subjects[name]
            before = s.cpu()
            requests, rate, bad = load(s)
            row[name] = {"us": (s.cpu() - before) / requests * 1e6, "rate": rate}
            failed += bad
            if name == "R":
                recorded += requests
                s.settle()
        rounds.append(row)
    collector = (recorder.recorder_cpu() - recorder_before) / recorded * 1e6
    for s in subjects.values():
        s.stop()
    stages, agree = b.ledger(reprise, recorder.rec)
    return {"rounds": rounds, "collector_us": collector, "failed": failed, "lost": b.lost_of(stages["arena"]),
            "sums_agree": agree, "requests": recorded, "sessions": stages["sessions"]["out"]}


def main():
    p = b.parser(__doc__)
    p.add_argument("--pairs", type=int, default=20, help="rounds of each case (20)")
    p.add_argument("--seconds", type=float, default=1.0, help="of each load (1)")
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
                     b.spread(ratio("R", "A", "rate"), 2), f"{r['collector_us']:.2f}",
                     r["lost"] + ("" if r["sums_agree"] else " SUMS DISAGREE"), r["failed"]])
    b.say("")
    print("CPU of the subject a request, recorded over bare: median of the ratios of pairs [quartiles]")
    b.table(["case", "n", "bare us", "recorded / bare", "A/A control", "target", "throughput", "collector us", "lost",
             "failed"], rows)
    b.keep(args.json, kept)


main()
