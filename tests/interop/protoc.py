#!/usr/bin/env python3
"""Stock tools read a recording: docs/formats/recording.md and reprise.proto say all there is to know.

Records a small server, splits its block files with the reader below (struct, zstd and xxHash by their C
libraries, nothing of ours), decodes every record with protoc, and compares with `reprise show --json`.
"""

import ctypes
import ctypes.util
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

FORMATS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "formats"
REPRISE = pathlib.Path(os.environ["REPRISE_BUILD"]) / "bin" / "reprise"
SCRATCH = pathlib.Path(os.environ["TMPDIR"])

SUBJECT = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode() * 3
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("port.part", "w") as f:
    f.write(str(server.server_address[1]))
import os
os.rename("port.part", "port")
server.serve_forever()
"""


def skip(why):
    print(why)
    sys.exit(77)


def library(name):
    path = ctypes.util.find_library(name)
    if path is None:
        skip(f"no lib{name}")
    return ctypes.CDLL(path)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


INDEX = 3  # the kind of the last block of a finished file


def records(path, kind):
    zstd, xxhash = library("zstd"), library("xxhash")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    data, at, blocks, found = path.read_bytes(), 0, 0, []
    while at < len(data):
        magic, block_kind, flags, zero, stored, raw, count, zero2, total, sequence = struct.unpack_from(
            "<4sBBHIIIIQQ", data, at)
        blocks += 1
        if block_kind == INDEX:
            assert data[-12:-8] == b"RPX1" and int.from_bytes(data[-8:], "little") == at, "no index tail"
            break
        assert (magic, block_kind, zero, zero2, sequence) == (b"RPB1", kind, 0, 0, blocks)
        block = data[at:at + 40 + stored]
        clean = block[:24] + bytes(8) + block[32:]
        assert xxhash.XXH3_64bits(clean, ctypes.c_size_t(len(clean))) == total
        payload = block[40:]
        if flags & 1:
            room = ctypes.create_string_buffer(raw)
            assert zstd.ZSTD_decompress(room, ctypes.c_size_t(raw), payload,
                                        ctypes.c_size_t(stored)) == raw
            payload = room.raw
        assert len(payload) == raw
        inside, in_block = 0, 0
        while inside < raw:
            size, inside = varint(payload, inside)
            found.append(payload[inside:inside + size])
            inside += size
            in_block += 1
        assert (inside, in_block) == (raw, count)
        at += 40 + stored
    return found


def decode(message, data):
    done = subprocess.run(["protoc", f"--proto_path={FORMATS}", f"--decode=reprise.{message}",
                           "reprise.proto"], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode()
    unknown = re.findall(r"^\s*\d+(?::| \{)", text, re.M)
    assert not unknown, f"fields that the schema does not name: {unknown}"
    return text


def record():
    (SCRATCH / "subject.py").write_text(SUBJECT, encoding="utf-8")
    recorder = subprocess.Popen([REPRISE, "record", "-q", "--keep-journal", "-o", "rec", "--",
                                 sys.executable, "subject.py"], cwd=SCRATCH)
    until = time.monotonic() + 30
    while not (SCRATCH / "port").exists():
        assert recorder.poll() is None and time.monotonic() < until, "the subject did not start"
        time.sleep(0.01)
    port = int((SCRATCH / "port").read_text())
    for path in ("/a", "/b/17", "/" + "long" * 1000):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            # Until the server closes: one that is stopped in the moment of its answer may not come to
            # note it.
            assert s.makefile("rb").read().endswith(b"\r\n\r\n" + path.encode() * 3)
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(30) == 0


def main():
    if shutil.which("protoc") is None:
        skip("no protoc (package protobuf-compiler)")
    record()
    shown = subprocess.run([REPRISE, "show", "--json", "rec"], cwd=SCRATCH, check=True,
                           capture_output=True, text=True).stdout
    told = [json.loads(line) for line in shown.splitlines()]
    assert [s["inbound"]["label"][:9] for s in told] == ["GET /a", "GET /b/17", "GET /long"]

    inbound = [text for text in (decode("Session", r) for r in records(SCRATCH / "rec/sessions.rps", 2))
               if "\ninbound {" in text]
    assert len(inbound) == len(told)
    for text, session in zip(inbound, told):
        assert text.startswith(f"id: {session['id']}\n")
        for wanted in ("protocol: HTTP1", "answered: true", 'verb: "GET"',
                       f"request_ns: {session['inbound']['request_ns']}\n",
                       f"answer_ns: {session['inbound']['answer_ns']}\n",
                       f"request_size: {session['inbound']['request']['bytes']}\n",
                       f"answer_size: {session['inbound']['answer']['bytes']}\n"):
            assert wanted in text, f"no {wanted!r} in\n{text[:2000]}"

    events = [decode("Event", r) for r in records(SCRATCH / "rec/journal.rpj", 1)]
    kinds = [text.split("\n", 1)[0] for text in events]
    for wanted in ("PROCESS", "LISTEN", "OPEN", "DATA", "CLOSE"):
        assert f"type: {wanted}" in kinds, f"no {wanted} in the journal"
    print(f"{len(inbound)} sessions and {len(events)} events decoded")


if __name__ == "__main__":
    main()
