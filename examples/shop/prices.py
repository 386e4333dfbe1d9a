#!/usr/bin/python3
"""The price service that the shop calls.    prices.py PORT"""
import http.server
import json
import sys
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        sku = query.get("sku", "")
        body = json.dumps({"sku": sku, "amount": f"{(sum(sku.encode()) * 37) % 9000 / 100 + 1:.2f}",
                           "currency": query.get("currency", "EUR")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
