"""A person's mailbox on the topic: an HTTP subscriber as SNS wants one."""

import json
import re
import threading
import time
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .processes import DIRECT

# SNS posts to a subscriber that does not confirm for three days; the sandbox has not so long.
CONFIRMED_WITHIN = 15.0
LARGEST = 1_000_000


@dataclass(frozen=True)
class Message:
    """One mail as SNS hands it to subscribers."""

    subject: str
    text: str
    attributes: dict[str, str]

    def links(self, console: str) -> list[str]:
        """Approval links in it."""
        return re.findall(re.escape(f"{console}/decide?token=") + r"[A-Za-z0-9._~%-]+", self.text)


def filter_policy(address: str) -> str:
    """What a person's subscription takes: messages to them alone, and those to nobody in particular."""
    return json.dumps({"to": [address, {"exists": False}]})


class Mailbox:
    """A person's mailbox: subscribes to the topic as README.md says, confirms when SNS asks it to, and
    keeps what SNS posts (SNS developer guide, "Fanout to HTTP/S endpoints"). Doubles are as likely as on
    AWS. It cannot check signatures: the local SNS signs with nothing. Use it in a `with` statement."""

    def __init__(self, sandbox, address: str = "ops@example.com"):
        self.address = address
        self.topic = sandbox.outputs["Topic"]
        self.api = sandbox.client("sns")
        self.messages: list[Message] = []
        self.fetched = 0
        self.refused: list[str] = []
        self.confirmed = threading.Event()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, name=f"mailbox {address}", daemon=True)

    def __enter__(self) -> "Mailbox":
        self.thread.start()
        # Who it is stands in the path: nothing else tells two mailboxes of one machine apart.
        endpoint = f"http://127.0.0.1:{self.server.server_address[1]}/{urllib.parse.quote(self.address)}"
        self.api.subscribe(
            TopicArn=self.topic, Protocol="http", Endpoint=endpoint, Attributes={"FilterPolicy": filter_policy(self.address)},
        )
        if not self.confirmed.wait(CONFIRMED_WITHIN):
            self.__exit__()
            raise TimeoutError(f"SNS did not ask the mailbox of {self.address} to confirm: {self.refused}")
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ------------------------------------------------------------ What SNS posts

    def take(self, kind: str | None, body: bytes) -> None:
        """One request of SNS; raises ValueError with what is wrong with it."""
        posted = json.loads(body)
        if posted.get("Type") != kind:
            raise ValueError(f"the header says {kind}, the body {posted.get('Type')}")
        if posted.get("TopicArn") != self.topic:
            raise ValueError(f"{posted.get('TopicArn')} is another topic")
        if kind == "SubscriptionConfirmation":
            self.confirm(posted)
        elif kind == "Notification":
            attributes = {name: value["Value"] for name, value in posted.get("MessageAttributes", {}).items()}
            with self.lock:
                self.messages.append(Message(posted.get("Subject") or "", posted["Message"], attributes))
        else:
            raise ValueError(f"{kind} is no message of SNS that a mailbox knows")

    def confirm(self, posted: dict) -> None:
        """Visits the address that the confirmation names, if it is the API that was subscribed at."""
        address = urllib.parse.urlsplit(posted["SubscribeURL"])
        api = urllib.parse.urlsplit(self.api.meta.endpoint_url)
        if (address.scheme, address.netloc) != (api.scheme, api.netloc):
            raise ValueError(f"{posted['SubscribeURL']} is not at {api.netloc}")
        with DIRECT.open(posted["SubscribeURL"], timeout=10):
            self.confirmed.set()

    # ------------------------------------------------------------ What a person reads

    def fetch(self) -> list[Message]:
        """What arrived since the last call."""
        with self.lock:
            arrived = self.messages[self.fetched:]
            self.fetched = len(self.messages)
        return arrived

    def wait_for_link(self, console: str, seconds: float) -> str:
        """The first approval link of a mail that is already here or still comes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in list(self.messages):
                if links := message.links(console):
                    return links[0]
            time.sleep(0.1)
        raise TimeoutError("no mail with an approval link came")


def handler(mailbox: Mailbox) -> type[BaseHTTPRequestHandler]:
    """Hands to a mailbox what is posted to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length", "0"))
                if length > LARGEST:
                    raise ValueError(f"{length} bytes are no message of SNS")
                mailbox.take(self.headers.get("x-amz-sns-message-type"), self.rfile.read(length))
                status = 200
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                mailbox.refused.append(str(error))
                status = 400
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
