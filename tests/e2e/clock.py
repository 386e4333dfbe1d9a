#!/usr/bin/python3
"""A replayed program lives in the recorded time: it tells the recorded second and goes on from there, file times and
timed waits go with it, monotonic clocks do not; --no-clock leaves everything alone."""
import json
import os
import time

import lib
import replay_lib as r

SERVER = '''
import http.server, json, os, sys, threading, time
WORK = sys.argv[2]
def say(path):
    with open(os.path.join(WORK, "fresh"), "w") as f: f.write("x")
    wall, mono = time.time(), time.monotonic()
    waited = threading.Condition()
    with waited: waited.wait(0.05)          # a timed wait of a condition variable
    time.sleep(0.05)
    return {
        "second": int(time.time()), "date": time.strftime("%Y-%m-%d %H:%M"),
        "old": int(wall - os.stat(os.path.join(WORK, "old")).st_mtime),
        "fresh": abs(int(time.time() - os.stat(os.path.join(WORK, "fresh")).st_mtime)) <= 1,
        "wall": round(time.time() - wall, 1), "mono": round(time.monotonic() - mono, 1),
        "uptime": time.monotonic(), "boot": time.clock_gettime(time.CLOCK_BOOTTIME),
    }
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def do_GET(self):
        body = json.dumps(say(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


def live(run, recorded):
    """What the replayed program said: the recorded answer with what differs put in."""
    out = []
    for s, was in zip(run.sessions(), recorded):
        said = dict(was)
        for d in s["answer"]:
            name = d["path"].removeprefix("body.")
            if name in said:
                said[name] = json.loads(d["live"]) if d["live"][:1] in "-0123456789tf" and name != "date" else d["live"]
        out.append(said)
    return out


def main():
    work, port = r.folder(), lib.free_port()
    lib.write(os.path.join(work, "old"), "x")
    os.utime(os.path.join(work, "old"), (time.time() - 5000, time.time() - 5000))
    subject = lib.Record([lib.PYTHON, "-c", SERVER, str(port), work], ["-q"])
    r.wait_open(subject, port)
    recorded = []
    for _ in range(3):
        answer = lib.get(port)
        recorded.append(json.loads(answer.split(b"\r\n\r\n")[1]))
    rec = r.stop(subject, port, requests=3)
    ignore = ["--ignore", "body.uptime", "--ignore", "body.boot"]
    lib.until("time to go on", lambda: time.time() > recorded[-1]["second"] + 4)

    found = r.Run(rec, *ignore)
    for was, now in zip(recorded, live(found, recorded)):
        lib.check(0 <= now["second"] - was["second"] <= 1, "the second:", was, now)
        lib.check(0 <= now["old"] - was["old"] <= 1, "the age of an old file:", was, now)
        lib.check(now["fresh"] is True, "a file written a moment ago:", now)
        lib.check(now["wall"] == was["wall"] == 0.1 and now["mono"] == was["mono"] == 0.1, "waits:", was, now)
    plain = r.Run(rec, "--no-clock", *ignore)
    for was, now in zip(recorded, live(plain, recorded)):
        lib.check(now["second"] - was["second"] >= 3, "--no-clock:", was, now)
    told = r.Run(rec)
    for was, now in zip(recorded, live(told, recorded)):
        lib.check(was["uptime"] < now["uptime"] < was["uptime"] + 600, "the monotonic clock was moved:", was, now)
        lib.check(was["boot"] < now["boot"] < was["boot"] + 600, "the boot clock was moved:", was, now)


main()
