"""Runs the binary `mgn-sim` for a test, and waits until it listens."""

import os
import subprocess
import time
from pathlib import Path

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"


def binary() -> Path:
    """Where `mgn-sim` is: MGN_SIM_BIN, or cargo's target directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or cache / "tidegate" / "target")
    return Path(os.environ.get("MGN_SIM_BIN") or target / "debug" / "mgn-sim")


class Simulator:
    """A running simulator: its URL, and clients of it."""

    def __init__(self, *arguments: str) -> None:
        program = binary()
        if not program.exists():
            raise FileNotFoundError(f"{program} is not there: run `make build`")
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"},
        )
        line = self.process.stdout.readline()
        if "listens on" not in line:
            raise RuntimeError(f"mgn-sim did not start: {line!r}")
        self.url = line.split()[-1]

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def client(self, service: str):
        """A boto3 client that tries once."""
        return boto3.session.Session().client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            # The simulator, not the client, is to say what is wrong.
            config=Config(retries={"total_max_attempts": 1}, proxies={}, parameter_validation=False),
        )


def eventually(what, seconds: float = 20):
    """What `what` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {result!r} after {seconds} s")
        time.sleep(0.02)
