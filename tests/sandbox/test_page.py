"""The person of the demo: opens the page, reads it, presses the right button."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.local.page import follow, read

TWO_BUTTONS = """<form method="post" action="decide"><input type="hidden" name="token" value="a&amp;b">
<button name="decision" value="reject">Reject</button><button name="decision" value="approve">Approve</button></form>"""
TWO_FORMS = """<form method="POST" action="/decide"><input type=hidden name=token value=t><input type=hidden name=decision value=reject>
<input type=submit></form><form method="POST" action="/decide"><input type=hidden name=token value=t>
<input type=hidden name=decision value=approve><input type=submit></form>"""


@pytest.fixture
def page():
    """Serves a page and notes what is posted."""
    posted: list[str] = []
    served = {"text": ""}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            self.answer(200, served["text"])

        def do_POST(self) -> None:
            posted.append(self.path + " " + self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(200, "thanks")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served, posted
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("decision", ["approve", "reject"])
@pytest.mark.parametrize("text", [TWO_BUTTONS, TWO_FORMS])
def test_the_right_button_is_pressed(page, text, decision):
    address, served, posted = page
    served["text"] = text
    assert follow(f"{address}/decide?token=t", decision) == (200, "thanks")
    assert len(posted) == 1
    assert posted[0].startswith("/decide ")
    assert f"decision={decision}" in posted[0]
    assert "token=" in posted[0]


def test_a_page_without_a_form_is_no_decision(page):
    address, served, posted = page
    served["text"] = "<p>This link was used.</p>"
    with pytest.raises(LookupError):
        follow(f"{address}/decide?token=t")
    assert not posted


def test_a_page_is_read_by_its_heading_and_facts(page):
    address, served, posted = page
    served["text"] = "<h1>Cut <b>over</b>?</h1><dl><dt>Decide by</dt><dd>noon</dd><dt>You</dt><dd><bdi>a &lt;b&gt;</bdi> c</dd></dl>"
    assert read(address) == ("Cut over?", [("Decide by", "noon"), ("You", "a <b> c")])
    assert not posted
