"""A browser just good enough for the approval page."""

import json
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from .processes import DIRECT


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
