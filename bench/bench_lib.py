"""What the benchmarks share: our program around a subject, subjects, loads, CPU time, and the statistics.

A figure is the median of ratios (or differences) of pairs that were measured side by side, with its quartiles;
beside it the same figure of an A/A control, which shows what this machine makes of no difference at all."""
import argparse
import atexit
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
SKIP = 77
SUBJECT_CPU, LOAD_CPU = 0, 1
_running = []


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def parser(text, **more):
    p = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter, **more)
    p.add_argument("--build", default=os.environ.get("REPRISE_BUILD", os.path.join(HERE, "..", "build")),
                   help="the build folder with bin/reprise and lib (default: ../build, or $REPRISE_BUILD)")
    p.add_argument("--work", default=None, help="where recordings go while it runs (default: $TMPDIR or /tmp)")
    p.add_argument("--json", default=None, metavar="FILE", help="every measured value, for a program to read")
    return p


def need(*programs):
    for place in ("/usr/sbin", "/sbin"):
        if place not in os.environ["PATH"].split(":"):
            os.environ["PATH"] += ":" + place
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        skip("not installed: " + ", ".join(missing))


def need_cpus(count):
    if len(os.sched_getaffinity(0)) < count:
        skip(f"needs {count} CPUs: one for the subject, one for the load and the recorder")


def reprise_of(build):
    path = os.path.abspath(os.path.join(build, "bin", "reprise"))
    if not os.access(path, os.X_OK):
        skip(f"{path} is not built; say --build DIR")
    return path


def folder(work=None):
    """A fresh folder that goes away with the benchmark; servers that drop their privileges may enter it."""
    path = tempfile.mkdtemp(prefix="reprise-bench-", dir=work)
    atexit.register(shutil.rmtree, path, True)
    os.chmod(path, 0o755)
    return path


def compile_cc(source, out):
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        skip("no C++ compiler")
    subprocess.run([compiler, "-std=c++20", "-O2", "-pthread", "-o", out, source], check=True)
    return out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_open(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}: {process.args}")


def on_cpu(cpu, command):
    return command if cpu is None else ["taskset", "-c", str(cpu), *command]


def spawn(command, cpu=None, **popen):
    popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **popen}
    p = subprocess.Popen(on_cpu(cpu, command), **popen)
    _running.append(p)
    return p


def end(process, number=signal.SIGTERM, seconds=60):
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@atexit.register
def _end_all():
    for p in _running:
        end(p)


# --- CPU time -------------------------------------------------------------------------------------------

def tree(pid):
    """The process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        try:
            for task in os.listdir(f"/proc/{at}/task"):
                with open(f"/proc/{at}/task/{task}/children") as f:
                    todo += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pids):
    """User and system time of whole processes, ended threads too, to the nanosecond: what /proc/PID/stat shows
    in steps of 10 ms, read from each process's CPU clock (see clock_getcpuclockid(3))."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime(~pid << 3 | 2)
        except OSError:
            pass  # it has ended
    return total


# --- subjects -------------------------------------------------------------------------------------------

class Subject:
    """A server on SUBJECT_CPU: bare, or under `reprise record`, which then runs on LOAD_CPU."""

    def __init__(self, name, command, port, recorder=None, work=None, options=(), pinned=True, env=None):
        self.name, self.port = name, port
        subject_cpu, load_cpu = (SUBJECT_CPU, LOAD_CPU) if pinned else (None, None)
        self.rec = None
        if recorder is None:
            self.process = spawn(command, subject_cpu, env=env)
            until_open(port, self.process)
            self.root, self.recorder_pids = self.process.pid, []
        else:
            self.rec = os.path.join(folder(work), "rec")
            self.err = tempfile.TemporaryFile("w+")
            self.process = spawn([recorder, "record", "-o", self.rec, *options, "--", *on_cpu(subject_cpu, command)],
                                 load_cpu, stderr=self.err, env=env)
            until_open(port, self.process)
            below = [p for p in tree(self.process.pid) if p != self.process.pid]
            self.root, self.recorder_pids = below[0], [self.process.pid]

    def cpu(self):
        return cpu_seconds(tree(self.root))

    def recorder_cpu(self):
        return cpu_seconds(self.recorder_pids)

    def settle(self, seconds=30):
        """Until the recorder has caught up: it then uses next to nothing."""
        end_at, before = time.monotonic() + seconds, self.recorder_cpu()
        while self.recorder_pids and time.monotonic() < end_at:
            time.sleep(0.05)
            now = self.recorder_cpu()
            if now - before < 0.01:
                return
            before = now

    def stop(self, seconds=120):
        end(self.process, seconds=seconds)
        if self.rec:
            self.err.seek(0)
            return self.err.read()
        return ""

    def discard(self):
        """The recording, which may be large."""
        shutil.rmtree(self.rec, True)


def nginx(base, port, locations="location / { root html; }", name="nginx", master="on"):
    """The command of an nginx of one worker that serves a file of 1 KB at /1k."""
    place = os.path.join(base, name)
    os.makedirs(os.path.join(place, "html"), exist_ok=True)
    os.chmod(place, 0o755)
    with open(os.path.join(place, "html", "1k"), "wb") as f:
        f.write(b"x" * 1024)
    with open(os.path.join(place, "conf"), "w") as f:
        f.write(f"""daemon off; master_process {master}; worker_processes 1; pid {place}/pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; keepalive_requests 1000000000; default_type text/plain;
  client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3;
  uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
  server {{ listen 127.0.0.1:{port}; {locations} }} }}
""")
    return ["nginx", "-p", place, "-c", os.path.join(place, "conf")]


def redis(port):
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


# --- loads ----------------------------------------------------------------------------------------------

def wrk(port, path, seconds, connections=50, cpu=LOAD_CPU):
    """(requests, requests a second, failed). wrk knows whole seconds only."""
    said = subprocess.run(on_cpu(cpu, ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s",
                                       f"http://127.0.0.1:{port}{path}"]), capture_output=True, text=True).stdout
    count = re.search(r"(\d+) requests in", said)
    if count is None:
        raise RuntimeError("wrk said: " + said)
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1))
    failed = sum(int(n) for n in re.findall(r"(?:Non-2xx or 3xx responses: |read |write |connect |timeout )(\d+)",
                                            said))
    return int(count.group(1)), rate, failed


def redis_benchmark(port, count, pipeline, connections=50, cpu=LOAD_CPU):
    """SET then GET of 64 bytes, `count` of each: (requests, requests a second, failed)."""
    began = time.monotonic()
    done = subprocess.run(on_cpu(cpu, ["redis-benchmark", "-p", str(port), "-c", str(connections), "-P", str(pipeline),
                                       "-n", str(count), "-d", "64", "-t", "set,get", "-q", "--csv"]),
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("redis-benchmark said: " + done.stdout + done.stderr)
    return 2 * count, 2 * count / (time.monotonic() - began), 0


# --- recordings -----------------------------------------------------------------------------------------

def ledger(reprise, rec):
    """The loss ledger by stage, and whether its sums agree."""
    got = subprocess.run([reprise, "show", rec, "--ledger", "--json"], capture_output=True, text=True)
    return {s["name"]: s for s in json.loads(got.stdout)["stages"]}, got.returncode == 0


def lost_of(stage):
    """Of a stage of the ledger."""
    return ", ".join(f"{n} {cause}" for cause, n in stage["lost"].items()) or "0"


# --- statistics -----------------------------------------------------------------------------------------

def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def spread(values, digits=3):
    """'1.041 [1.02-1.07]'"""
    low, middle, high = quartiles(values)
    return f"{middle:.{digits}f} [{low:.{digits}f} .. {high:.{digits}f}]"


def shuffled(values, seed):
    values = list(values)
    random.Random(seed).shuffle(values)
    return values


def table(head, rows):
    """Columns as wide as they need; the first to the left."""
    lines = [head, *[[str(c) for c in r] for r in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))))


def machine():
    load = os.getloadavg()[0]
    cpus = len(os.sched_getaffinity(0))
    note = "  (others are at work: trust the A/A spread)" if load > cpus else ""
    return f"{cpus} CPUs, kernel {os.uname().release}, load {load:.1f} at the start{note}"


def say(*words):
    """Progress, on a line of its own, only for a person."""
    if sys.stderr.isatty():
        print("\r\033[K" + " ".join(map(str, words)), end="", file=sys.stderr, flush=True)


def keep(path, result):
    if path:
        with open(path, "w") as f:
            json.dump(result, f, indent=1)
