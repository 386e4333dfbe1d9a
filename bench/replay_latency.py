#!/usr/bin/python3
"""What a replay with mocks adds to a session of ten calls.

The subject (subjects/ten_calls.cc) makes five HTTP and five Redis calls a request, one after the other. It is
recorded once. Then, in pairs: its requests driven over a kept connection while a loopback server answers its calls
with the same bytes (bare), and the same sessions under `reprise replay`, where the mock answers. Both subjects run
the same binary, nothing is pinned, and neither side records.

  session            from the request's first byte sent to the answer's last byte read: the replay's live_ns, and
                     the driver's own clock; of each side the median over the sessions of a run
  added              replay minus bare of one pair; the A/A control is bare minus bare
  whole turn         all that a replay does for a session: matching, clock, comparison, report. From two replays of
                     different length, so that the stage's start-up does not count
  sessions/s a core  the same, with the replay and its subject on one CPU

Needs g++. Ends with 77 if it is missing, or if this machine cannot replay."""
import bench_lib as b
import json
import os
import statistics
import subprocess


def drive(binary, port, count):
    got = subprocess.run([binary, "drive", str(port), str(count)], capture_output=True, text=True, check=True)
    return [int(n) for n in got.stdout.split()]


class Bare:
    def __init__(self, binary, work):
        self.ports = [b.free_port() for _ in range(3)]
        self.backend = b.spawn([binary, "backend", *map(str, self.ports[1:])])
        b.until_open(self.ports[1], self.backend)
        b.until_open(self.ports[2], self.backend)
        self.command = [binary, "serve", *map(str, self.ports)]

    def start(self):
        self.server = b.spawn(self.command)
        b.until_open(self.ports[0], self.server)

    def stop(self):
        b.end(self.server)
        b.end(self.backend)


def record(reprise, binary, count, work):
    """The recording of count sessions, and the bare rig that it was made with, now without the recorder."""
    bare = Bare(binary, work)
    subject = b.Subject("recorded", bare.command, bare.ports[0], reprise, work, pinned=False)
    drive(binary, bare.ports[0], count)
    said = subject.stop()
    if f" {count} sessions, {10 * count} calls" not in said:
        raise RuntimeError("recorded: " + said)
    return subject.rec, bare


def replay(reprise, rec, count, out, cpu=None):
    """The result of one replay, all sessions of which were the same."""
    done = subprocess.run(b.on_cpu(cpu, [reprise, "replay", rec, "-q", "--json", out, "--session", f"1-{count}"]),
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 3:
        b.skip("this machine cannot replay: " + done.stderr.strip())
    with open(out) as f:
        result = json.load(f)
    same = result["outcomes"]["same"]
    if done.returncode != 0 or same != count:
        raise RuntimeError(f"{same} of {count} sessions were the same\n{done.stderr}")
    return result


def main():
    p = b.parser(__doc__)
    p.add_argument("--pairs", type=int, default=20, help="(20)")
    p.add_argument("--sessions", type=int, default=400, help="of a run (400)")
    args = p.parse_args()
    b.need("g++", "taskset")
    reprise = b.reprise_of(args.build)
    base = b.folder(args.work)
    binary = b.compile_cc(os.path.join(b.HERE, "subjects", "ten_calls.cc"), os.path.join(base, "ten_calls"))
    print(b.machine())
    rec, bare = record(reprise, binary, args.sessions, args.work)
    out = os.path.join(base, "result.json")
    short = args.sessions // 4
    bare.start()
    rounds = []
    for i in range(args.pairs):
        b.say(f"round {i + 1} of {args.pairs}")
        row = {}
        for what in b.shuffled(["A", "B", "R", "one core"], seed=i):
            if what in "AB":
                row[what] = statistics.median(drive(binary, bare.ports[0], args.sessions)) / 1e6
                continue
            cpu = b.SUBJECT_CPU if what == "one core" else None
            long_run, short_run = (replay(reprise, rec, n, out, cpu) for n in (args.sessions, short))
            turn = (long_run["elapsed_ns"] - short_run["elapsed_ns"]) / (args.sessions - short) / 1e6
            row[what + " turn"] = turn
            row[what] = statistics.median(s["live_ns"] for s in long_run["sessions"]) / 1e6
        rounds.append(row)
    bare.stop()
    b.say("")
    of = lambda key: [r[key] for r in rounds]
    added = [r["R"] - r["A"] for r in rounds]
    control = [r["B"] - r["A"] for r in rounds]
    turns = [r["R turn"] - r["A"] for r in rounds]
    per_core = [1000 / r["one core turn"] for r in rounds]
    judge = lambda good: "yes" if good else "NO"
    print(f"a session of 10 calls, {args.sessions} a run, milliseconds: median [quartiles] of {len(rounds)} pairs")
    b.table(["what", "n", "value", "target", "met"], [
        ["bare session", len(rounds), b.spread(of("A")), "", ""],
        ["replayed session", len(rounds), b.spread(of("R")), "", ""],
        ["added to a session", len(rounds), b.spread(added), "< 1", judge(b.quartiles(added)[1] < 1)],
        ["  A/A control", len(rounds), b.spread(control), "", ""],
        ["  ratio", len(rounds), b.spread([r["R"] / r["A"] for r in rounds], 2), "", ""],
        ["added, whole turn", len(rounds), b.spread(turns), "< 1", judge(b.quartiles(turns)[1] < 1)],
        ["sessions/s a core", len(rounds), b.spread(per_core, 0), ">= 500", judge(b.quartiles(per_core)[1] >= 500)],
    ])
    b.keep(args.json, {"rounds": rounds})


main()
