"""Whole waves in the sandbox: the real functions, state machine, rules and roles; MGN simulated."""

import json
from pathlib import Path

import pytest

from sandbox.local.layout import binary
from sandbox.local.mailbox import Mailbox
from sandbox.local.sandbox import Options, Sandbox

from .wave import Scene, until

# Much faster than the demo: nobody watches.
SPEED = 400.0


def servers(scenario: str, count: int = 3) -> list[dict]:
    """The source servers of one scenario."""
    return [
        {"hostname": f"{scenario}{number:02}", "tags": {"scenario": scenario}, "disksGiB": [16], "os": "linux"}
        for number in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def scene(request, tmp_path_factory):
    """A sandbox for the module. The module says in `SCENARIOS` which scenarios it holds, each with
    servers of its own, in `FAULTS` and `SPEED` how the simulator differs from the usual one, and in
    `SLACK_WEBHOOK` whether messages to Slack go through a webhook."""
    for program in ("mgn-sim", "tidegate", "advance"):
        assert binary(program).exists(), f"{binary(program)} is not there: run `make build`"
    directory = tmp_path_factory.mktemp("scene")
    inventory: Path = directory / "inventory.json"
    module = request.module
    inventory.write_text(json.dumps([server for name, count in module.SCENARIOS.items() for server in servers(name, count)]))
    options = Options(
        directory=directory / "sandbox",
        inventory=inventory,
        speed=getattr(module, "SPEED", SPEED),
        faults=getattr(module, "FAULTS", []),
        simulator_arguments=["--ready", *getattr(module, "SIMULATOR", [])],
        slack_webhook=getattr(module, "SLACK_WEBHOOK", False),
        quiet=True,
    )
    with Sandbox(options) as sandbox, Mailbox(sandbox) as mailbox:
        scene = Scene(sandbox, mailbox)
        until(lambda: len(scene.source_servers("")) == sum(module.SCENARIOS.values()))
        yield scene
