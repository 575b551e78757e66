"""Calls `sweep` every second, where AWS does it every minute."""

import json
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from .deployment import STACK
from .stand_ins import Endpoints


class Sweeper(threading.Thread):
    """One call at a time; a failure is told once, until it changes or passes."""

    def __init__(self, endpoints: Endpoints, tell, seconds: float = 1.0):
        super().__init__(name="sweeper", daemon=True)
        self.functions = endpoints.client("lambda")
        self.tell = tell
        self.seconds = seconds
        self.ending = threading.Event()
        self.last_failure: str | None = None
        self.calls = 0

    def run(self) -> None:
        due = time.monotonic()
        while not self.ending.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + self.seconds
            failure = self.sweep_once()
            if failure and failure != self.last_failure and not self.ending.is_set():
                self.tell(f"sweep fails: {failure}")
            self.last_failure = failure

    def sweep_once(self) -> str | None:
        """Returns what went wrong."""
        try:
            answer = self.functions.invoke(FunctionName=f"{STACK}-sweep", Payload=b"{}")
            self.calls += 1
            body = answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            return str(error)
        if not answer.get("FunctionError"):
            return None
        try:
            return json.loads(body).get("errorMessage", "")
        except (ValueError, AttributeError):
            return body.decode(errors="replace")

    def stop(self) -> None:
        """Ends after the call under way."""
        self.ending.set()
        self.join(5)
