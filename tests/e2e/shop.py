#!/usr/bin/python3
"""The shop of examples/shop: a threaded Python server with a pool of PostgreSQL connections, Redis and a price
service over kept connections. Recorded under load, replayed without them on every kind of stage; then each of
the ten bugs is seeded, and the report names it and nothing else."""
import glob
import os
import shutil
import subprocess

import lib
import replay_lib as r

REQUESTS, CLIENTS = 200, 8
SHOP = os.path.realpath(os.path.join(lib.HERE, "..", "..", "examples", "shop"))


def postgres(deps):
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        lib.skip("PostgreSQL is not installed")
    tool = lambda name: os.path.join(found[-1], name)
    base, port = r.folder(), lib.free_port()
    user = []
    if os.geteuid() == 0:
        shutil.chown(base, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    data = os.path.join(base, "data")
    subprocess.run([*user, tool("initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"], check=True,
                   capture_output=True, cwd=base)
    deps.start([*user, tool("postgres"), "-D", data, "-p", str(port), "-k", base, "-c",
                "listen_addresses=127.0.0.1", "-c", "fsync=off"], port, cwd=base)

    def sql(who, database, *arguments):
        return subprocess.run([tool("psql"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", who, "-d", database,
                               "-v", "ON_ERROR_STOP=1", *arguments], capture_output=True, text=True)
    lib.until("PostgreSQL to answer", lambda: sql("postgres", "postgres", "-c", "SELECT 1").returncode == 0)
    for done in (sql("postgres", "postgres", "-c", "CREATE USER shop PASSWORD 'secret'",
                     "-c", "CREATE DATABASE shop OWNER shop"),
                 sql("shop", "shop", "-f", os.path.join(SHOP, "schema.sql"))):
        lib.check(done.returncode == 0, "schema:", done.stderr)
    return port


def record():
    deps = r.Dependencies()
    prices, port = lib.free_port(), lib.free_port()
    ports = [postgres(deps), deps.redis(), prices]
    deps.start([lib.PYTHON, os.path.join(SHOP, "prices.py"), str(prices)], prices)
    app = r.folder()
    shutil.copy(os.path.join(SHOP, "shop.py"), app)
    subject = lib.Record([lib.PYTHON, "shop.py", str(port), *map(str, ports)], ["-q"], cwd=app)
    r.wait_open(subject, port)
    load = subprocess.run([lib.PYTHON, os.path.join(SHOP, "load.py"), str(port), str(REQUESTS), str(CLIENTS)],
                          capture_output=True, text=True)
    lib.check(load.returncode == 0, "load:", load.stdout, load.stderr)
    rec = r.stop(subject, port, requests=REQUESTS)
    deps.end()
    return rec, app


def as_ordinary_user(rec):
    copy = os.path.join(r.folder(), "rec")
    shutil.copytree(rec, copy)
    for name in [copy, *(os.path.join(copy, n) for n in os.listdir(copy))]:
        shutil.chown(name, "nobody")
    return r.Run(copy, prefix=["runuser", "-u", "nobody", "--"], env=dict(os.environ, TMPDIR="/tmp"))


def bugs(rec, app):
    found = sorted(glob.glob(os.path.join(SHOP, "bugs", "*.patch")))
    lib.check(len(found) == 10, "bugs:", found)
    for bug in found:
        shutil.copy(os.path.join(SHOP, "shop.py"), app)
        subprocess.run(["patch", "-s", "-p1", "-i", bug], cwd=app, check=True)
        result = os.path.join(r.folder(), "result.json")
        code = lib.reprise("replay", rec, "-q", "--json", result).returncode
        lib.check(code == 1, bug, "exit", code)
        told = subprocess.run([lib.PYTHON, os.path.join(SHOP, "check.py"), result, bug], capture_output=True, text=True)
        lib.check(told.returncode == 0, bug, told.stdout, told.stderr)


def main():
    r.need("redis-server", "patch")
    try:
        import psycopg_pool, redis  # noqa: F401 pylint: disable=unused-import,import-outside-toplevel
    except ImportError as missing:
        lib.skip(f"{missing.name} is not installed")
    rec, app = record()
    r.replay_identically(rec, REQUESTS, 20)
    r.Run(rec, "--lanes", "2").identical(REQUESTS)
    r.Run(rec, "--no-namespaces").identical(REQUESTS, mode="preload")
    if os.geteuid() == 0:
        as_ordinary_user(rec).identical(REQUESTS, mode="user namespaces")
    bugs(rec, app)


main()
