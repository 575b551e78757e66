"""A sandbox whose functions are stand-ins, so that the state machine and the rules are all there is."""

import json
import sys
import time
import uuid
from pathlib import Path

import pytest

from sandbox.local.layout import FUNCTIONS, REPOSITORY
from sandbox.local.sandbox import Options, Sandbox

HERE = Path(__file__).parent


class Stage:
    """A sandbox with scripted functions."""

    def __init__(self, sandbox: Sandbox, directory: Path):
        self.sandbox = sandbox
        self.directory = directory
        self.machine = sandbox.outputs["StateMachine"]
        self.steps = sandbox.client("stepfunctions")
        self.waves: dict[str, str] = {}

    def script(self, **replies: list) -> None:
        """Sets what functions reply, whatever the wave."""
        (self.directory / "script.json").write_text(json.dumps(replies))

    def start(self, generation: int = 1) -> tuple[str, str]:
        """Starts a driver for a new wave; returns the wave and the execution's ARN."""
        wave = f"w{uuid.uuid4().hex[:8]}"
        execution = self.steps.start_execution(
            stateMachineArn=self.machine,
            name=f"{wave}-g{generation}",
            input=json.dumps({"wave": wave, "generation": generation}),
        )
        return wave, execution["executionArn"]

    def end_of(self, execution: str, seconds: float = 30) -> dict:
        """Waits for an execution's end."""
        return until(
            lambda: next(
                (seen for seen in [self.steps.describe_execution(executionArn=execution)] if seen["status"] != "RUNNING"),
                None,
            ),
            seconds,
        )

    def calls(self, function: str, wave: str | None = None) -> list:
        """The events that a function was called with."""
        log = self.directory / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        calls = [json.loads(line) for line in lines]
        return [call["event"] for call in calls if call["function"] == function and wave in (None, call["wave"])]


def until(probe, seconds: float = 20):
    """Polls until the probe returns something."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


def runnable(source: Path, target: Path) -> Path:
    """A script as a program that runs in this Python."""
    target.write_text(f"#!{sys.executable}\n{source.read_text()}")
    target.chmod(0o755)
    return target


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """One sandbox for the module."""
    directory = tmp_path_factory.mktemp("stage")
    function = runnable(HERE / "stand_in_function.py", directory / "function")
    simulator = runnable(HERE / "stand_in_simulator.py", directory / "mgn-sim")
    (directory / "script.json").write_text("{}")
    options = Options(
        directory=directory / "sandbox",
        programs={name: function for name in FUNCTIONS} | {"mgn-sim": simulator},
        settings={"STAND_IN_DIRECTORY": str(directory)},
        quiet=True,
    )
    with Sandbox(options) as sandbox:
        yield Stage(sandbox, directory)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY
