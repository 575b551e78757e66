"""A wave as a test sees it: applied, watched and steered through the command line and the mail."""

import json
import os
import shlex
import subprocess
import time
from dataclasses import dataclass

from botocore.exceptions import ClientError

from sandbox.local.layout import binary
from sandbox.local.mailbox import Mailbox
from sandbox.local.page import follow
from sandbox.local.processes import DIRECT
from sandbox.local.sandbox import Sandbox

SECONDS = 90


def until(probe, seconds: float = 30):
    """Polls until the probe returns something."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s"
        time.sleep(0.1)
    return value


class Refused(Exception):
    """The command line ended with an error."""


@dataclass
class Scene:
    """One sandbox and its mailbox."""

    sandbox: Sandbox
    mailbox: Mailbox

    def tidegate(self, *arguments: str, approving: bool = False) -> str:
        """Runs the command line as the operator, or as the approver; raises with what it said if it fails."""
        variables = self.sandbox.approver if approving else self.sandbox.variables
        done = subprocess.run(
            [str(binary("tidegate")), *arguments], env=os.environ | variables,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )
        if done.returncode != 0:
            raise Refused(f"tidegate {shlex.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def apply(self, plan: dict) -> "Wave":
        """Applies a plan."""
        file = self.sandbox.layout.root / f"{plan['wave']}.json"
        file.write_text(json.dumps(plan, indent=2))
        self.tidegate("apply", str(file))
        return Wave(self, plan["wave"])

    def source_servers(self, scenario: str) -> list[dict]:
        """MGN's own view of a scenario's servers."""
        pages = self.every_page("describe_source_servers")
        return [
            server for page in pages for server in page["items"]
            if server["sourceProperties"]["identificationHints"]["hostname"].startswith(scenario)
        ]

    def template(self, server: str) -> str:
        """The launch template of a source server, once EC2 has it."""
        mgn, ec2 = self.sandbox.client("mgn"), self.sandbox.client("ec2")

        def made() -> str | None:
            template = mgn.get_launch_configuration(sourceServerID=server)["ec2LaunchTemplateID"]
            return template if ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"] else None

        return until(made)

    def choose_types(self, scenario: str) -> None:
        """Takes right-sizing from a scenario's servers: otherwise MGN chooses the type, and what the template says counts for nothing."""
        for server in self.source_servers(scenario):
            self.template(server["sourceServerID"])
            self.sandbox.client("mgn").update_launch_configuration(
                sourceServerID=server["sourceServerID"], targetInstanceTypeRightSizingMethod="NONE"
            )

    def resize(self, hostname: str, instance_type: str) -> None:
        """Makes a version that names this type the default of a server's launch template."""
        [server] = self.source_servers(hostname)
        template, ec2 = self.template(server["sourceServerID"]), self.sandbox.client("ec2")
        made = ec2.create_launch_template_version(
            LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": instance_type}
        )
        ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(made["LaunchTemplateVersion"]["VersionNumber"]))

    def every_page(self, operation: str) -> list[dict]:
        """A list of MGN's, asked for again where the simulator is told to throttle."""
        paginator = self.sandbox.client("mgn").get_paginator(operation)

        def read() -> list[dict] | None:
            try:
                return list(paginator.paginate(filters={}))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ThrottlingException":
                    raise
                return None

        return until(read)

    def calls(self) -> dict[str, int]:
        """How often each operation of MGN was called."""
        with DIRECT.open(f"{self.sandbox.endpoints.simulator}/_sim/calls") as answer:
            return json.load(answer)

    def jobs(self) -> list[dict]:
        """All jobs, oldest first."""
        pages = self.every_page("describe_jobs")
        return sorted((job for page in pages for job in page["items"]), key=lambda job: job["creationDateTime"])


@dataclass
class Wave:
    """One wave."""

    scene: Scene
    name: str

    def status(self) -> dict:
        """As the console shows it."""
        shown = json.loads(self.scene.tidegate("status", self.name, "--json"))
        return shown[0] if isinstance(shown, list) else shown

    def until(self, what, seconds: float = SECONDS) -> dict:
        """Polls the status until `what` is true of it."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self.status()
            if what(seen):
                return seen
            assert time.monotonic() < deadline, f"it did not happen in {seconds} s: {json.dumps(seen, indent=2)}"
            time.sleep(0.2)

    def until_phase(self, *phases: str, seconds: float = SECONDS) -> dict:
        """Until it is in one of these phases; fails at once if it is held on the way."""

        def there(seen: dict) -> bool:
            assert not seen["held"], f"held: {json.dumps(seen['hold'], indent=2)}"
            return seen["phase"] in phases

        return self.until(there, seconds)

    def until_ended(self, seconds: float = SECONDS) -> dict:
        """Until it has ended and its driver has told people so; fails at once if it is held."""

        def ended(seen: dict) -> bool:
            assert not seen["held"], f"held: {json.dumps(seen['hold'], indent=2)}"
            return seen["ended"] and not self.drivers()

        return self.until(ended, seconds)

    def link(self, seconds: float = SECONDS) -> str:
        """The approval link of this wave's newest mail."""
        deadline = time.monotonic() + seconds
        console = self.scene.sandbox.outputs["ConsoleUrl"]
        while True:
            self.scene.mailbox.fetch()
            for message in reversed(self.scene.mailbox.messages):
                if message.attributes.get("wave", self.name) == self.name and (links := message.links(console)):
                    return links[0]
            assert time.monotonic() < deadline, "no mail with an approval link came"
            time.sleep(0.2)

    def approve_by_mail(self) -> None:
        """Waits for the mail and follows its link."""
        status, page = follow(self.link())
        assert status == 200, page

    def command(self, text: str) -> str:
        """Runs a command as the hold names it: `tidegate …`."""
        words = shlex.split(text)
        assert words[0] == "tidegate", text
        return self.scene.tidegate(*words[1:])

    def drivers(self, status: str = "RUNNING") -> list[str]:
        """ARNs of this wave's executions in that status."""
        steps = self.scene.sandbox.client("stepfunctions")
        pages = steps.get_paginator("list_executions").paginate(
            stateMachineArn=self.scene.sandbox.outputs["StateMachine"], statusFilter=status
        )
        return [
            execution["executionArn"] for page in pages for execution in page["executions"]
            if execution["name"].startswith(f"{self.name}-g")
        ]

    def kill_driver(self) -> str | None:
        """Stops the running execution from outside; None if there was none at that moment."""
        steps = self.scene.sandbox.client("stepfunctions")
        for execution in self.drivers():
            steps.stop_execution(executionArn=execution)
            return execution
        return None


def plan(scenario: str, **changes) -> dict:
    """A small plan: one application of all the scenario's servers, started by their replication."""
    return {
        "wave": scenario,
        "start": {"on": "replication"},
        "gates": {
            "cutover": {"approvers": ["ops@example.com"], "quorum": 1, "expires": "1h"},
            "finalize": {"after_soak": "1s", "automatic": True},
        },
        "policy": {"max_lag": "1m", "attempts": 3, "failure_budget": "50%", "observe_every": "1s"},
        "applications": [
            {
                "name": scenario,
                "servers": [{"tag": {"scenario": scenario}}],
                "quiesce": {"document": "Tidegate-StopServices", "parameters": {"services": ["shop"]}},
                "validate": [{"document": "Tidegate-CheckPort", "parameters": {"port": ["443"]}}],
            }
        ],
    } | changes
