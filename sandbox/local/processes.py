"""Child processes: started with a clean environment, stopped by their own PID, logged to a file."""

import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path


# Never through a proxy that the person's environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# What keeps AWS clients from the configuration in the person's home.
NO_PERSONAL_FILES = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


class SandboxError(Exception):
    """The sandbox cannot go on; the text says what to do."""


def forget_personal_settings() -> None:
    """Removes from this process what would lead AWS clients to the person's own account, profile or
    proxy, and keeps them from the person's files."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            del os.environ[name]
    os.environ |= NO_PERSONAL_FILES


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent() -> None:
    """Runs in the child: it is told to end when this process dies, however that happens."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, Linux
    except (OSError, AttributeError):
        pass


class Child:
    """One started program."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], logs: Path):
        self.name = name
        self.log = logs / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the sandbox alone, which then stops them in order.
                preexec_fn=_end_with_parent,
            )

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def wait_until_healthy(self, url: str, seconds: float) -> None:
        """Polls a health address until it answers 200."""
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise SandboxError(f"{self.name} ended at once:\n{self.last_lines()}")
            try:
                with DIRECT.open(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            if time.monotonic() > deadline:
                raise SandboxError(f"{self.name} does not answer at {url}:\n{self.last_lines()}")
            time.sleep(0.05)

    def descendants(self) -> list[int]:
        """PIDs of its children and theirs, read from /proc."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except (OSError, IndexError):
                    continue
                parents[int(entry.name)] = int(fields[1])
        found: list[int] = []
        for pid in sorted(parents):
            ancestor = pid
            while (ancestor := parents.get(ancestor, 0)) > 1:
                if ancestor == self.process.pid:
                    found.append(pid)
                    break
        return found

    def stop(self, seconds: float = 5.0) -> None:
        """Ends it and what it started, politely first."""
        below = self.descendants()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
