"""An accident on demand: the process of a function dies in the middle of a call."""

import json
import os
import signal
import threading
import time
from pathlib import Path

from .layout import binary
from .processes import DIRECT


class Accident(threading.Thread):
    """Kills `launch` once, while the simulator holds back the answer to its first StartTest: MGN has
    started a job that nobody noted."""

    def __init__(self, sandbox, function: str = "launch", operation: str = "StartTest"):
        super().__init__(name="accident", daemon=True)
        self.sandbox = sandbox
        self.program = binary(function)
        self.operation = operation
        self.killed: int | None = None
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set() and self.calls() == 0:
            time.sleep(0.02)
        deadline = time.monotonic() + 5
        while not self.ending.is_set() and time.monotonic() < deadline and self.killed is None:
            for pid in self.sandbox.children[0].descendants():
                try:
                    running = Path(f"/proc/{pid}/exe").resolve() == self.program.resolve()
                except OSError:
                    continue
                if running:
                    os.kill(pid, signal.SIGKILL)
                    self.killed = pid
                    self.sandbox.tell(f"  ! killed {self.program.name} (process {pid}) during {self.operation}")
                    break

    def calls(self) -> int:
        """How often the operation was called so far."""
        try:
            with DIRECT.open(f"{self.sandbox.endpoints.simulator}/_sim/calls", timeout=1) as answer:
                return int(json.load(answer).get(self.operation, 0))
        except (OSError, ValueError):
            return 0
