"""Port and HTTP checks against real listeners on 127.0.0.1."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def server():
    """An HTTP server: /ok answers 200, /moved redirects, anything else 404, and / 503 three times first."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            first = self.path == "/" and seen.count("/") <= 2
            status = 503 if first else {"/": 200, "/ok": 200, "/ok?a=1&b=%20;": 200, "/moved": 302}.get(self.path, 404)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/ok")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_address[1]}"
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def closed_port():
    """A port that is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


def test_an_open_port_answers(run, server):
    port = server.rsplit(":", 1)[1]
    outcome = run("check-port", port=[port])
    assert (outcome.status, outcome.output) == (0, f"answers: 127.0.0.1 port {port}\n")


def test_a_closed_port_fails(run, closed_port):
    outcome = run("check-port", port=[closed_port], withinSeconds=["0"])
    assert outcome.status == 1
    assert outcome.error == f"FAILED: no answer within 0 s: 127.0.0.1 port {closed_port}\n"


def test_a_name_is_looked_up(run, server):
    port = server.rsplit(":", 1)[1]
    assert run("check-port", port=[port], address=["localhost"]).status == 0


def test_nc_serves_where_bash_is_not(run, bare, server, closed_port):
    port = server.rsplit(":", 1)[1]
    programs = bare("date", "sleep", "nc")
    assert run("check-port", programs=programs, port=[port]).output == f"answers: 127.0.0.1 port {port}\n"
    assert run("check-port", programs=programs, port=[closed_port], withinSeconds=["0"]).status == 1


def test_without_a_tool_the_port_check_says_so(run, bare):
    outcome = run("check-port", programs=bare("date", "sleep"), port=["80"])
    assert (outcome.status, outcome.error) == (2, "FAILED: neither bash nor nc is there to try a port with\n")


def test_the_wanted_status_passes(run, server):
    assert run("check-http", url=[f"{server}/ok"]).output == f"answers 200: {server}/ok\n"
    assert run("check-http", url=[f"{server}/missing"], status=["404"]).status == 0


def test_another_status_fails_and_is_told(run, server):
    outcome = run("check-http", url=[f"{server}/missing"], withinSeconds=["0"])
    assert outcome.status == 1
    assert outcome.error == f"FAILED: wanted 200 within 0 s, last saw 404: {server}/missing\n"


def test_a_redirect_is_not_followed(run, server):
    assert run("check-http", url=[f"{server}/moved"], status=["302"]).status == 0


def test_a_service_that_warms_up_is_waited_for(run, server):
    assert run("check-http", url=[f"{server}/"], withinSeconds=["20"]).status == 0


def test_a_query_stays_a_query(run, server):
    assert run("check-http", url=[f"{server}/ok?a=1&b=%20"], status=["404"]).status == 0


def test_nobody_there_fails(run, closed_port):
    outcome = run("check-http", url=[f"http://127.0.0.1:{closed_port}/"], withinSeconds=["0"])
    assert outcome.status == 1
    assert "FAILED: wanted 200" in outcome.error


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_curl_or_wget_alone_is_enough(run, bare, server, program):
    programs = bare("date", "sleep", "cat", "awk", program)
    assert run("check-http", programs=programs, url=[f"{server}/ok"]).output == f"answers 200: {server}/ok\n"
    assert run("check-http", programs=programs, url=[f"{server}/moved"], status=["302"], withinSeconds=["0"]).status == 0
    outcome = run("check-http", programs=programs, url=[f"{server}/missing"], withinSeconds=["0"])
    assert (outcome.status, outcome.error) == (1, f"FAILED: wanted 200 within 0 s, last saw 404: {server}/missing\n")


def test_without_a_tool_the_http_check_says_so(run, bare):
    outcome = run("check-http", programs=bare("date", "sleep", "cat"), url=["http://127.0.0.1/"])
    assert (outcome.status, outcome.error) == (2, "FAILED: neither curl nor wget is there to get a URL with\n")
