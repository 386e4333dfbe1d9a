#!/usr/bin/python3
"""What `reprise record` adds to the latency of a server at a fixed rate.

Three copies of a server are up at once: A and B bare, R recorded; in an order drawn anew each gets the same load
at a fixed rate, open loop, over 16 connections (subjects/paced_load.cc: latency counts from the moment a request
was due). Said are the median and the 99th percentile of R over A, and of B over A as the A/A control.

The subject runs on one CPU, the generator and the recorder on the other; where that is allowed the generator gets
a real-time priority, so that it does not wait for the recorder.

Needs nginx, redis-server, taskset, g++, and two CPUs. Ends with 77 if one is missing."""
import bench_lib as b
import os
import shutil
import subprocess

HTTP = "GET {} HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n"
CASES = {"nginx": (5000, HTTP.format("/1k")), "redis": (10000, "GET a\\r\\n"), "python": (2000, HTTP.format("/thing"))}


def command_of(case, base, port):
    if case == "nginx":
        return b.nginx(base, port, name=f"nginx-{port}")
    if case == "python":
        return [b.PYTHON, os.path.join(b.HERE, "subjects", "python_server.py"), str(port)]
    return b.redis(port)


def measure(case, args, reprise, load):
    rate, request = CASES[case]
    rounds = []
    while len(rounds) < args.pairs:
        base, subjects = b.folder(args.work), {}
        for name in "ABR":
            port = b.free_port()
            subjects[name] = b.Subject(name, command_of(case, base, port), port, reprise if name == "R" else None,
                                       args.work)
        for i in range(len(rounds), min(len(rounds) + args.fresh, args.pairs)):
            b.say(f"{case}: round {i + 1} of {args.pairs}")
            row = {}
            for name in b.shuffled("ABR", seed=i):
                said = subprocess.run([*load, str(subjects[name].port), str(rate), str(args.seconds), "16", request],
                                      capture_output=True, text=True, check=True).stdout.split()
                row[name] = {"p50": int(said[1]) / 1e3, "p99": int(said[3]) / 1e3, "late": int(said[6]) / 1e3}
                subjects[name].settle()
            rounds.append(row)
        for s in subjects.values():
            s.stop()
        subjects["R"].discard()
    return rounds


def main():
    p = b.parser(__doc__)
    p.add_argument("--pairs", type=int, default=20, help="rounds of each case (20)")
    p.add_argument("--seconds", type=float, default=1.0, help="of each load (1)")
    p.add_argument("--fresh", type=int, default=4, metavar="N", help="new copies after each N rounds (4)")
    p.add_argument("cases", nargs="*", metavar="CASE", help="of " + ", ".join(CASES) + " (all)")
    args = p.parse_args()
    if set(args.cases) - set(CASES):
        p.error("no such case: " + ", ".join(set(args.cases) - set(CASES)))
    b.need("nginx", "redis-server", "taskset", "g++")
    b.need_cpus(2)
    reprise = b.reprise_of(args.build)
    binary = b.compile_cc(os.path.join(b.HERE, "subjects", "paced_load.cc"), os.path.join(b.folder(), "paced_load"))
    load = b.on_cpu(b.LOAD_CPU, [binary])
    if shutil.which("chrt") and subprocess.run(["chrt", "-f", "1", "true"], capture_output=True).returncode == 0:
        load = ["chrt", "-f", "1", *load]
    print(b.machine())
    rows, kept = [], {}
    for case in args.cases or CASES:
        rounds = kept[case] = measure(case, args, reprise, load)
        for key in ("p50", "p99"):
            ratio = lambda of: [r[of][key] / r["A"][key] for r in rounds]
            low, _, high = b.quartiles(ratio("B"))
            within = b.quartiles(ratio("R"))[1]
            rows.append([f"{case}, {CASES[case][0]}/s, {key}", len(rounds), b.spread([r["A"][key] for r in rounds], 0),
                         b.spread([r["R"][key] for r in rounds], 0), b.spread(ratio("R")), b.spread(ratio("B")),
                         "yes" if within <= high else "NO"])
    b.say("")
    print("latency in microseconds: median of the rounds, and of the ratios of pairs [quartiles]")
    b.table(["case", "n", "bare us", "recorded us", "recorded / bare", "A/A control", "within A/A"], rows)
    b.keep(args.json, kept)


main()
