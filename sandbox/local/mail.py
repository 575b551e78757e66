"""A mailbox on the topic, and a browser just good enough for the approval page."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser

from .processes import DIRECT


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
    """A person's mailbox: subscribes to the topic as README.md says, through a queue of its own. Doubles
    are as likely as on AWS."""

    def __init__(self, sandbox, address: str = "ops@example.com"):
        self.address = address
        self.queues = sandbox.client("sqs")
        self.url = self.queues.create_queue(QueueName=re.sub(r"\W", "-", address))["QueueUrl"]
        queue = self.queues.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.queues.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        sandbox.client("sns").subscribe(
            TopicArn=sandbox.outputs["Topic"], Protocol="sqs", Endpoint=queue,
            Attributes={"FilterPolicy": filter_policy(address)},
        )
        self.messages: list[Message] = []

    def fetch(self) -> list[Message]:
        """What arrived since the last call."""
        arrived: list[Message] = []
        while batch := self.queues.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for raw in batch:
                self.queues.delete_message(QueueUrl=self.url, ReceiptHandle=raw["ReceiptHandle"])
                body = json.loads(raw["Body"])
                attributes = {key: value["Value"] for key, value in body.get("MessageAttributes", {}).items()}
                arrived.append(Message(body.get("Subject") or "", body["Message"], attributes))
        self.messages += arrived
        return arrived

    def wait_for_link(self, console: str, seconds: float) -> str:
        """The first approval link of a mail that is already here or still comes."""
        deadline = time.monotonic() + seconds
        while True:
            self.fetch()
            for message in self.messages:
                if links := message.links(console):
                    return links[0]
            if time.monotonic() > deadline:
                raise TimeoutError("no mail with an approval link came")
            time.sleep(0.1)


class _Forms(HTMLParser):
    """Collects forms: method, action, hidden fields, and the buttons that send them."""

    def __init__(self):
        super().__init__()
        self.forms: list[dict] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.forms.append({
                "action": values.get("action") or "", "method": (values.get("method") or "get").lower(),
                "fields": {}, "buttons": [],
            })
            self.open = True
        elif self.open and tag in ("input", "button") and values.get("name"):
            kind = values.get("type", "submit" if tag == "button" else "text")
            if kind in ("checkbox", "radio") and "checked" not in values:
                return
            if kind == "submit":
                self.forms[-1]["buttons"].append((values["name"], values.get("value") or ""))
            else:
                self.forms[-1]["fields"][values["name"]] = values.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = False


class _Facts(HTMLParser):
    """Collects a page's heading, and its terms with what they say."""

    def __init__(self):
        super().__init__()
        self.heading = ""
        self.facts: list[tuple[str, str]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "dt", "dd"):
            self.inside = tag
            if tag == "dt":
                self.facts.append(("", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "h1":
            self.heading += data
        elif self.inside and self.facts:
            name, value = self.facts[-1]
            self.facts[-1] = (name + data, value) if self.inside == "dt" else (name, value + data)


def read(link: str) -> tuple[str, list[tuple[str, str]]]:
    """Opens the page behind a link and returns its heading and facts. That decides nothing."""
    with DIRECT.open(link, timeout=30) as answer:
        parser = _Facts()
        parser.feed(answer.read().decode())
    return parser.heading, parser.facts


def follow(link: str, decision: str = "approve") -> tuple[int, str]:
    """Opens the page behind a link (GET) and presses the button of a decision (POST), as a person
    does. Returns the status and the text of the page that answers."""
    with DIRECT.open(link, timeout=30) as answer:
        address, page = answer.url, answer.read().decode()
    parser = _Forms()
    parser.feed(page)
    for form in parser.forms:
        if form["method"] != "post":
            continue
        pressed = [button for button in form["buttons"] if decision in button[1].lower() or decision in button[0].lower()]
        if not pressed and not (len(parser.forms) > 1 and decision in json.dumps(form["fields"]).lower()):
            continue
        data = urllib.parse.urlencode(form["fields"] | dict(pressed[:1])).encode()
        target = urllib.parse.urljoin(address, form["action"] or address)
        try:
            with DIRECT.open(urllib.request.Request(target, data, method="POST"), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
    raise LookupError(f"the page behind the link has no form to {decision}:\n{page}")
