"""Stands in for `mgn-sim` where a test needs no MGN: it is healthy, and that is all."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers everything with nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


host, port = sys.argv[sys.argv.index("--listen") + 1].split(":")
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
