#!/usr/bin/python3
"""Traffic for the shop: COUNT requests of all kinds, CLIENTS at a time.   load.py PORT COUNT CLIENTS

Prints how many were answered, and how many with 5xx.
"""
import http.client
import random
import sys
import threading
import urllib.parse

port, count, clients = (int(a) for a in sys.argv[1:4])
lock = threading.Lock()
done = {"answered": 0, "failed": 0}


def plan(n):
    r = random.Random(n)
    item, cart, who = r.randint(1, 20), r.randint(1, 6), r.randint(1, 10)
    return [
        ("GET", "/items", None), ("GET", f"/item/{item}", None),
        ("POST", f"/cart/{cart}", {"item": item, "count": r.randint(1, 3)}),
        ("GET", f"/cart/{cart}", None),
        ("POST", "/order", {"customer": f"customer{who}", "item": item, "count": r.randint(1, 5)}),
        ("GET", f"/order/{r.randint(1, 8)}", None),
        ("POST", f"/review/{item}", {"rating": r.randint(1, 5), "text": f"review {n}"}),
        ("GET", "/stats", None), ("POST", "/login", {"name": f"customer{who}"}),
        ("GET", f"/search?q={r.choice(['red', 'green', 'blue', 'chair 1'])}".replace(" ", "+"), None),
    ][n % 10]


def client(number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for n in range(number, count, clients):
        method, path, form = plan(n)
        body = urllib.parse.urlencode(form) if form else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        with lock:
            done["answered"] += 1
            done["failed"] += answer.status >= 500


threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(f"{done['answered']} answered, {done['failed']} failed")
sys.exit(done["failed"] != 0 or done["answered"] != count)
