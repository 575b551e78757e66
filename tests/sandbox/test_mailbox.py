"""The mailbox as SNS sees it: a subscriber that confirms, takes what is its topic's, and refuses the rest."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from sandbox.local.mailbox import Mailbox, Message
from sandbox.local.processes import DIRECT

CONSOLE = "http://127.0.0.1:1/_aws/execute-api/abc/$default"
TOPIC = "arn:aws:sns:us-east-1:000000000000:tidegate-messages"


class Sns:
    """Stands in for SNS: asks a new subscriber to confirm, at an address of this test's choice."""

    def __init__(self, api: str):
        self.meta = SimpleNamespace(endpoint_url=api)
        self.confirmation = f"{api}/?Action=ConfirmSubscription&Token=t"
        self.endpoint = ""
        self.policy = {}

    def subscribe(self, TopicArn: str, Protocol: str, Endpoint: str, Attributes: dict) -> None:
        assert (TopicArn, Protocol) == (TOPIC, "http")
        self.endpoint, self.policy = Endpoint, json.loads(Attributes["FilterPolicy"])
        self.post("SubscriptionConfirmation", SubscribeURL=self.confirmation, Token="t")

    def post(self, kind: str, header: str | None = None, **body: object) -> int:
        """The status of what the subscriber answers."""
        data = json.dumps({"Type": kind, "TopicArn": TOPIC} | body).encode()
        request = urllib.request.Request(self.endpoint, data, {"x-amz-sns-message-type": header or kind}, method="POST")
        try:
            with DIRECT.open(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def visited():
    """The API that is visited to confirm, and which addresses were."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", paths
    server.shutdown()
    server.server_close()


def sandbox(sns: Sns):
    """As much of a sandbox as a mailbox needs."""
    return SimpleNamespace(outputs={"Topic": TOPIC}, client=lambda _: sns)


def test_it_confirms_and_keeps_what_comes(visited):
    api, paths = visited
    sns = Sns(api)
    with Mailbox(sandbox(sns), "ann@example.com") as mailbox:
        assert paths == ["/?Action=ConfirmSubscription&Token=t"]
        assert sns.policy == {"to": ["ann@example.com", {"exists": False}]}
        attributes = {"wave": {"Type": "String", "Value": "orders"}}
        assert sns.post("Notification", Subject="s", Message="m", MessageAttributes=attributes) == 200
        assert sns.post("Notification", Message="without a subject") == 200
        assert mailbox.fetch() == [Message("s", "m", {"wave": "orders"}), Message("", "without a subject", {})]
        assert mailbox.fetch() == []


def test_it_refuses_what_is_not_its_topics(visited):
    sns = Sns(visited[0])
    with Mailbox(sandbox(sns)) as mailbox:
        assert sns.post("Notification", TopicArn="arn:aws:sns:us-east-1:000000000000:other", Message="m") == 400
        assert sns.post("Notification", header="SubscriptionConfirmation", Message="m") == 400
        assert sns.post("UnsubscribeConfirmation", Message="m") == 400
        assert sns.post("Notification") == 400
        assert mailbox.fetch() == []


def test_it_confirms_nowhere_else(visited, monkeypatch):
    monkeypatch.setattr("sandbox.local.mailbox.CONFIRMED_WITHIN", 0.0)
    api, paths = visited
    sns = Sns("http://127.0.0.1:1")
    sns.confirmation = f"{api}/?Action=ConfirmSubscription"
    with pytest.raises(TimeoutError, match="is not at 127.0.0.1:1"), Mailbox(sandbox(sns)):
        pass
    assert not paths


def test_links_are_found_in_the_text():
    text = f"Approve:\n  {CONSOLE}/decide?token=eyJ.a-b_c~d%3D\nor look at {CONSOLE}/ first."
    assert Message("", text, {}).links(CONSOLE) == [f"{CONSOLE}/decide?token=eyJ.a-b_c~d%3D"]
