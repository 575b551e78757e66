"""A stand-in for Slack: takes messages as Slack takes them, shows them, and presses their buttons.

It checks what Slack checks (docs.slack.dev: Block Kit, chat.postMessage, chat.update, incoming webhooks,
"Handling user interaction"), signs what it sends with the app's signing secret, and listens on 127.0.0.1
alone. Open its address in a browser to see the messages and to press their buttons as somebody.
"""

import hashlib
import hmac
import html
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .processes import DIRECT

TEAM = "T024BE7LD"
CHANNEL = "C024BE91L"
PARAMETER = "/tidegate/slack"

# How long Slack waits for the answer to a click, and how often a response_url can be used.
PATIENCE = 3.0
RESPONSES = 5
RESPONSE_AGE = 30 * 60


class Refused(Exception):
    """Slack would refuse it, with this error."""


def need(condition: object, error: str) -> None:
    """Refuses unless it is so."""
    if not condition:
        raise Refused(error)


def check_text(text: object, kinds: tuple[str, ...], longest: int, where: str) -> None:
    """A text object."""
    need(isinstance(text, dict) and text.get("type") in kinds, f"invalid_blocks: {where} is no {' or '.join(kinds)}")
    allowed = {"type", "text", "verbatim"} if text["type"] == "mrkdwn" else {"type", "text", "emoji"}
    need(set(text) <= allowed, f"invalid_blocks: {where} has unknown keys")
    need(isinstance(text["text"], str) and 1 <= len(text["text"]) <= longest, f"invalid_blocks: {where} is not of 1 to {longest} characters")


def check_button(button: dict, where: str) -> None:
    """A button element."""
    need(button.get("type") == "button", f"invalid_blocks: {where} is no button")
    need(set(button) <= {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}, f"invalid_blocks: {where} has unknown keys")
    check_text(button.get("text"), ("plain_text",), 75, f"{where}.text")
    need(1 <= len(button.get("action_id", "")) <= 255, f"invalid_blocks: {where}.action_id")
    need(len(button.get("value", "")) <= 2000, f"invalid_blocks: {where}.value is longer than 2,000 characters")
    need(len(button.get("url", "")) <= 3000, f"invalid_blocks: {where}.url is longer than 3,000 characters")
    need(button.get("style", "primary") in ("primary", "danger"), f"invalid_blocks: {where}.style")
    if confirm := button.get("confirm"):
        for part, longest in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            check_text(confirm.get(part), ("plain_text",), longest, f"{where}.confirm.{part}")


def check_rich_text(part: dict, where: str) -> None:
    """A part of a rich text, with text elements alone."""
    need(part.get("type") in ("rich_text_section", "rich_text_preformatted"), f"invalid_blocks: {where} is a {part.get('type')!r}")
    need(set(part) <= {"type", "elements", "border"} and part.get("elements"), f"invalid_blocks: {where} has no elements, or unknown keys")
    for element in part["elements"]:
        need(element.get("type") == "text" and element.get("text") and set(element) <= {"type", "text", "style"}, f"invalid_blocks: {where} has what is no text")


def check_block(block: dict, where: str) -> None:
    """A block of a kind that is used here."""
    kind = block.get("type")
    need(len(block.get("block_id", "")) <= 255, f"invalid_blocks: {where}.block_id")
    if kind == "header":
        check_text(block.get("text"), ("plain_text",), 150, f"{where}.text")
    elif kind == "section":
        need(("text" in block) or block.get("fields"), f"invalid_blocks: {where} has neither text nor fields")
        if "text" in block:
            check_text(block["text"], ("plain_text", "mrkdwn"), 3000, f"{where}.text")
        need(len(block.get("fields", [])) <= 10, f"invalid_blocks: {where} has more than 10 fields")
        for number, text in enumerate(block.get("fields", [])):
            check_text(text, ("plain_text", "mrkdwn"), 2000, f"{where}.fields[{number}]")
    elif kind == "context":
        need(1 <= len(block.get("elements", [])) <= 10, f"invalid_blocks: {where} has not 1 to 10 elements")
        for number, text in enumerate(block["elements"]):
            check_text(text, ("plain_text", "mrkdwn"), 3000, f"{where}.elements[{number}]")
    elif kind == "rich_text":
        need(set(block) <= {"type", "block_id", "elements"} and block.get("elements"), f"invalid_blocks: {where} has no elements, or unknown keys")
        for number, part in enumerate(block["elements"]):
            check_rich_text(part, f"{where}.elements[{number}]")
    elif kind == "actions":
        need(1 <= len(block.get("elements", [])) <= 25, f"invalid_blocks: {where} has not 1 to 25 elements")
        for number, button in enumerate(block["elements"]):
            check_button(button, f"{where}.elements[{number}]")
        actions = [button["action_id"] for button in block["elements"]]
        need(len(set(actions)) == len(actions), f"invalid_blocks: {where} has an action_id twice")
    else:
        raise Refused(f"invalid_blocks: {where} is a {kind!r}")


def check_message(body: dict) -> None:
    """A message's text and blocks."""
    need(isinstance(body.get("text"), str) and 1 <= len(body["text"]) <= 40_000, "no_text")
    blocks = body.get("blocks", [])
    need(isinstance(blocks, list) and len(blocks) <= 50, "invalid_blocks: more than 50 blocks")
    for number, block in enumerate(blocks):
        check_block(block, f"blocks[{number}]")
    identifiers = [block["block_id"] for block in blocks if "block_id" in block]
    need(len(set(identifiers)) == len(identifiers), "invalid_blocks: a block_id is there twice")


@dataclass
class Message:
    """A message in the channel."""

    ts: str
    text: str
    blocks: list[dict]
    # How often it was changed.
    edits: int = 0
    whispers: list[tuple[str, str]] = field(default_factory=list)

    def shown(self) -> str:
        """All that a person reads in it."""
        lines: list[str] = []
        for block in self.blocks:
            if block["type"] == "rich_text":
                lines += [element["text"] for part in block["elements"] for element in part["elements"]]
                continue
            texts = [block["text"]] if "text" in block else block.get("fields", []) + [e for e in block.get("elements", []) if "action_id" not in e]
            lines += [html.unescape(text["text"]) for text in texts]
            lines += [f"[{element['text']['text']}]" for element in block.get("elements", []) if "action_id" in element]
        return "\n".join(lines)

    def buttons(self) -> dict[str, dict]:
        """Its buttons by what they do: `approve`, `reject`, `look`."""
        elements = [element for block in self.blocks if block["type"] == "actions" for element in block["elements"]]
        return {element["action_id"].removeprefix("tidegate_"): element for element in elements}


@dataclass
class Hook:
    """A response_url."""

    message: Message
    user: str
    since: float
    left: int = RESPONSES


class SlackStandIn:
    """One workspace with one channel, one bot and one incoming webhook."""

    def __init__(self, webhook: bool = False):
        self.signing_secret = secrets.token_hex(16)
        self.token = f"xoxb-{secrets.token_hex(12)}"
        self.hook = f"/services/{TEAM}/B024BE7LH/{secrets.token_hex(12)}"
        self.webhook = webhook
        # Where clicks go; known once the console is deployed.
        self.request_url: str | None = None
        self.messages: list[Message] = []
        # What was refused, with the error.
        self.refused: list[str] = []
        # How the next requests fail: HTTP statuses, taken one by one.
        self.faults: list[int] = []
        self.hooks: dict[str, Hook] = {}
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, name="slack", daemon=True)

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def secret(self) -> str:
        """What the deployment's secret holds."""
        secret = {"signing_secret": self.signing_secret, "team_id": TEAM}
        if self.webhook:
            return json.dumps(secret | {"webhook_url": self.address + self.hook})
        return json.dumps(secret | {"bot_token": self.token, "channel": CHANNEL})

    def start(self) -> None:
        """Begins to listen."""
        self.thread.start()

    def stop(self) -> None:
        """Ends; safe to call once it was started."""
        self.server.shutdown()
        self.server.server_close()

    # ------------------------------------------------------------ What it is sent

    def take(self, path: str, headers, body: bytes) -> tuple[int, object]:
        """Status and answer of a POST."""
        with self.lock:
            if self.faults:
                return self.faults.pop(0), "failed on purpose"
        is_json = headers.get("content-type", "").lower().startswith("application/json")
        try:
            request = json.loads(body) if is_json else None
        except ValueError:
            request = None
        try:
            if path in ("/api/chat.postMessage", "/api/chat.update"):
                return 200, {"ok": True} | self.call(path.rsplit(".", 1)[1], headers.get("authorization", ""), request)
            need(isinstance(request, dict), "invalid_payload")
            if path == self.hook:
                check_message(request)
                self.write(request)
            elif path in self.hooks:
                self.respond(self.hooks[path], request)
            else:
                return 404, "no_service"
            return 200, "ok"
        except Refused as error:
            self.refused.append(f"{path}: {error}")
            return (200, {"ok": False, "error": str(error).split(":")[0]}) if path.startswith("/api/") else (400, str(error))

    def call(self, method: str, authorization: str, request: object) -> dict:
        """The Web API."""
        need(authorization, "not_authed")
        need(hmac.compare_digest(authorization, f"Bearer {self.token}"), "invalid_auth")
        need(isinstance(request, dict), "invalid_json")
        need(request.get("channel") == CHANNEL, "channel_not_found")
        check_message(request)
        if method == "postMessage":
            message = self.write(request)
        else:
            message = next((message for message in self.messages if message.ts == request.get("ts")), None)
            need(message, "message_not_found")
            self.change(message, request)
        return {"channel": CHANNEL, "ts": message.ts}

    def write(self, request: dict) -> Message:
        """A new message."""
        with self.lock:
            message = Message(f"{int(time.time())}.{len(self.messages) + 1:06}", request["text"], request["blocks"])
            self.messages.append(message)
        return message

    def change(self, message: Message, request: dict) -> None:
        """Another text in its place."""
        with self.lock:
            message.text, message.blocks, message.edits = request["text"], request["blocks"], message.edits + 1

    def respond(self, hook: Hook, request: dict) -> None:
        """An answer to a click."""
        need(hook.left > 0 and time.monotonic() - hook.since < RESPONSE_AGE, "used_url")
        hook.left -= 1
        if request.get("replace_original"):
            check_message(request)
            self.change(hook.message, request)
        else:
            need(request.get("response_type") == "ephemeral" and request.get("text"), "invalid_payload")
            hook.message.whispers.append((hook.user, html.unescape(request["text"])))

    # ------------------------------------------------------------ What it sends

    def payload(self, message: Message, button: str, user: str, **changes) -> dict:
        """What Slack sends when a user presses a button."""
        element = message.buttons()[button]
        hook = f"/actions/{TEAM}/{secrets.token_hex(12)}"
        self.hooks[hook] = Hook(message, user, time.monotonic())
        action = {"type": "button", "block_id": "tidegate_gate", "action_id": element["action_id"], "text": element["text"], "action_ts": f"{time.time():.6f}"}
        action |= {"value": element["value"]} if "value" in element else {}
        return {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM},
            "api_app_id": "A024BE7LD",
            "token": "deprecated",
            "container": {"type": "message", "message_ts": message.ts, "channel_id": CHANNEL, "is_ephemeral": False},
            "trigger_id": f"{secrets.token_hex(6)}.{secrets.token_hex(6)}",
            "team": {"id": TEAM, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": CHANNEL, "name": "migrations"},
            "message": {"type": "message", "bot_id": "B024BE7LH", "ts": message.ts, "text": message.text, "blocks": message.blocks},
            "state": {"values": {}},
            "response_url": self.address + hook,
            "actions": [action],
        } | changes

    def sign(self, body: bytes, at: int | None = None, secret: str | None = None) -> dict[str, str]:
        """The headers of a request with this body."""
        timestamp = str(int(time.time()) if at is None else at)
        code = hmac.new((secret or self.signing_secret).encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={code}",
        }

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        """Sends a request to the app, and gives the status that it answers in time."""
        assert self.request_url, "nobody takes clicks yet"
        request = urllib.request.Request(self.request_url, body, headers, method="POST")
        try:
            with DIRECT.open(request, timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def click(self, message: Message, button: str, user: str) -> int:
        """A user presses a button. Raises TimeoutError if the app takes longer than Slack waits."""
        body = urllib.parse.urlencode({"payload": json.dumps(self.payload(message, button, user))}).encode()
        return self.send(body, self.sign(body))

    # ------------------------------------------------------------ What it shows

    def page(self) -> str:
        """The channel for a browser."""
        parts = ["<!doctype html><meta charset=utf-8><title>Slack stand-in</title><h1>#migrations</h1>"]
        for number, message in enumerate(self.messages):
            parts.append(f"<hr><pre>{html.escape(message.shown())}</pre>")
            parts += [f"<p><i>to {html.escape(user)} alone: {html.escape(text)}</i>" for user, text in message.whispers]
            if any("value" in button for button in message.buttons().values()):
                options = "".join(f"<button name=button value={name}>{name}</button> " for name in message.buttons())
                parts.append(f'<form method=post action=/click><input type=hidden name=message value={number}>'
                             f'<label>as <input name=user value=U024BE7LH></label> {options}</form>')
        return "\n".join(parts)


def handler(slack: SlackStandIn) -> type[BaseHTTPRequestHandler]:
    """The requests of one stand-in."""

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def answer(self, status: int, content: object, **headers: str) -> None:
            """JSON, or text."""
            text = content if isinstance(content, str) else json.dumps(content)
            data = text.encode()
            self.send_response(status)
            kind = "text/html" if text.startswith("<") else "text/plain" if isinstance(content, str) else "application/json"
            for name, value in ({"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(data))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            """The channel."""
            self.answer(200, slack.page()) if self.path == "/" else self.answer(404, "not_found")

        def do_POST(self) -> None:
            """A message, an answer to a click, or a click of a person in a browser."""
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path == "/click":
                form = dict(urllib.parse.parse_qsl(body.decode()))
                slack.click(slack.messages[int(form["message"])], form["button"], form["user"])
                self.answer(303, "", Location="/")
            else:
                self.answer(*slack.take(self.path, self.headers, body))

    return Handler
