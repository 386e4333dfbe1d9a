#!/usr/bin/python3
"""A small shop: a threaded HTTP server with PostgreSQL, Redis and a price service behind it.

    shop.py PORT POSTGRES_PORT REDIS_PORT PRICES_PORT
"""
import http.client
import http.server
import json
import sys
import threading
import urllib.parse

import psycopg_pool
import redis

PORT, PG_PORT, REDIS_PORT, PRICES_PORT = (int(a) for a in sys.argv[1:5])
CACHE_SECONDS = 1

pool = psycopg_pool.ConnectionPool(
    f"host=127.0.0.1 port={PG_PORT} user=shop password=secret dbname=shop", min_size=4, max_size=12)
local = threading.local()


def cache():
    if not hasattr(local, "cache"):
        local.cache = redis.Redis("127.0.0.1", REDIS_PORT, decode_responses=True)
    return local.cache


def price_service(path):
    """One kept connection a thread."""
    if not hasattr(local, "prices"):
        local.prices = http.client.HTTPConnection("127.0.0.1", PRICES_PORT, timeout=10)
    local.prices.request("GET", path)
    answer = local.prices.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"price service: {answer.status} {body[:200]!r}")
    return json.loads(body)


def rows(sql, *params):
    with pool.connection() as db:
        cursor = db.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def list_items(_, __):
    cached = cache().get("items")
    if cached:
        return 200, json.loads(cached)
    items = [{"id": i, "sku": s, "name": n} for i, s, n in
             rows("SELECT id, sku, name FROM item ORDER BY id")]
    cache().setex("items", CACHE_SECONDS, json.dumps(items))
    return 200, items


def show_item(item, _):
    found = rows("SELECT id, sku, name, stock FROM item WHERE id = %s", int(item))
    if not found:
        return 404, {"error": "no such item"}
    number, sku, name, stock = found[0]
    price = price_service(f"/price?sku={sku}&currency=EUR")
    return 200, {"id": number, "sku": sku, "name": name, "available": stock > 0,
                 "price": price["amount"], "currency": price["currency"]}


def add_to_cart(cart, form):
    key = f"cart:{cart}"
    count = cache().hincrby(key, form["item"], int(form["count"]))
    cache().expire(key, 3600)
    return 200, {"cart": cart, "item": form["item"], "count": count}


def show_cart(cart, _):
    lines = cache().hgetall(f"cart:{cart}")
    names = dict(rows("SELECT id, name FROM item WHERE id = ANY(%s) ORDER BY id",
                      sorted(int(i) for i in lines)))
    out = [{"id": int(i), "name": names[int(i)], "count": int(n)} for i, n in sorted(lines.items())]
    return 200, {"cart": cart, "lines": out, "total": sum(line["count"] for line in out)}


def place_order(_, form):
    item, count = int(form["item"]), int(form["count"])
    with pool.connection() as db:
        number = db.execute("INSERT INTO orders (customer, item, count) VALUES (%s, %s, %s) RETURNING id",
                            (form["customer"], item, count)).fetchone()[0]
        left = db.execute("UPDATE item SET stock = stock - %s WHERE id = %s RETURNING stock",
                          (count, item)).fetchone()[0]
    cache().incr("orders")
    return 201, {"order": number, "item": item, "count": count, "left": left}


def show_order(order, _):
    found = rows("SELECT id, customer, item, count FROM orders WHERE id = %s", int(order))
    if not found:
        return 404, {"error": "no such order"}
    return 200, dict(zip(("order", "customer", "item", "count"), found[0]))


def review(item, form):
    rating = int(form["rating"])
    rows("INSERT INTO review (item, rating, text) VALUES (%s, %s, %s)", int(item), rating, form["text"])
    reviews = cache().incr(f"reviews:{item}")
    return 201, {"item": int(item), "reviews": reviews}


def stats(_, __):
    orders = cache().get("orders") or "0"
    items, = rows("SELECT count(*) FROM item")[0]
    return 200, {"orders": int(orders), "items": items}


def login(_, form):
    found = rows("SELECT id FROM customer WHERE name = %s", form["name"])
    if not found:
        return 403, {"error": "who are you?"}
    cache().setex(f"session:{found[0][0]}", 600, form["name"])
    return 200, {"customer": found[0][0], "name": form["name"]}


def search(_, form):
    found = rows("SELECT id, name FROM item WHERE name ILIKE %s ORDER BY id", f"%{form['q']}%")
    return 200, {"query": form["q"], "found": [{"id": i, "name": n} for i, n in found]}


ROUTES = {
    ("GET", "items"): list_items, ("GET", "item"): show_item, ("POST", "cart"): add_to_cart,
    ("GET", "cart"): show_cart, ("POST", "order"): place_order, ("GET", "order"): show_order,
    ("POST", "review"): review, ("GET", "stats"): stats, ("POST", "login"): login,
    ("GET", "search"): search,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/") + [""]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = dict(urllib.parse.parse_qsl(url.query or body))
        route = ROUTES.get((self.command, parts[0]))
        try:
            status, result = route(parts[1], form) if route else (404, {"error": "no such page"})
        except Exception as error:  # pylint: disable=broad-except
            status, result = 500, {"error": type(error).__name__}
        out = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = answer


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    pool.wait()
    Server(("127.0.0.1", PORT), Handler).serve_forever()
