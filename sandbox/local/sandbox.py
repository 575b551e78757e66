"""One sandbox from start to end: ready only when everything answers, and nothing left running."""

import fcntl
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from .deployment import deploy, lock_audit_records, write_bootstraps
from .layout import REPOSITORY, Layout, binary
from .operator import create_person
from .processes import Child, SandboxError
from .slack import PARAMETER, SlackStandIn
from .stand_ins import REGION, Endpoints, start_ministack, start_simulator
from .sweeper import Sweeper

DEFAULT_INVENTORY = REPOSITORY / "sandbox" / "local" / "inventory.json"

# What `--faults` and `make demo FAULTS=1` inject; see `mgn-sim --help`.
FAULTS = [
    "drop-event=0.3",
    "double-event=0.3",
    "delay-event=0.2:1s",
    "throttle=0.1",
    "lost-answer=1:StartCutover:x1",
    # Long enough for an accident to happen to whoever waits for the answer.
    "slow=1:3s:StartTest:x1",
    "launch-failure=app02:1",
    "command=Tidegate-CheckPort:app03:1:failed",
]
# How a wave with those servers then tells of the last two.
FAILURES = ["The test of app02 failed", "Tidegate-CheckPort failed on app03"]


@dataclass
class Options:
    """How a sandbox differs from the usual one."""

    directory: Path = REPOSITORY / ".sandbox"
    inventory: Path = DEFAULT_INVENTORY
    speed: float = 60.0
    faults: list[str] = field(default_factory=list)
    simulator_arguments: list[str] = field(default_factory=list)
    # Stand-ins for functions, and for `mgn-sim`, by name; the built binaries otherwise.
    programs: dict[str, Path] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    initialize: bool = True
    # Functions are held to their roles in the template.
    roles: bool = True
    # Whether Slack messages go through an incoming webhook instead of a bot.
    slack_webhook: bool = False
    quiet: bool = False


def simulator_arguments(options: Options) -> list[str]:
    """What the simulator is told besides where and how fast. It starts uninitialized: the sources begin
    to replicate when everything that watches them is there."""
    documents = re.findall(r"^ +Name: (Tidegate-\w+)$", (REPOSITORY / "infra" / "template.yaml").read_text(), re.MULTILINE)
    return (
        ["--uninitialized"]
        + [word for document in documents for word in ("--document", document)]
        + [word for fault in options.faults for word in ("--fault", fault)]
        + options.simulator_arguments
    )


class Sandbox:
    """A context manager: running inside the `with`, gone after it."""

    def __init__(self, options: Options):
        self.options = options
        self.layout = Layout(options.directory.resolve())
        self.endpoints = Endpoints.choose()
        self.children: list[Child] = []
        self.sweeper: Sweeper | None = None
        self.slack: SlackStandIn | None = None
        self.outputs: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.approver: dict[str, str] = {}
        self.lock = None

    def tell(self, text: str) -> None:
        """Says something to the person, unless asked not to."""
        if not self.options.quiet:
            print(text, flush=True)

    def client(self, service: str):
        """A boto3 client on this sandbox, with all rights."""
        return self.endpoints.client(service)

    def __enter__(self) -> "Sandbox":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts everything; writes the file to `source` last."""
        layout, options = self.layout, self.options
        layout.root.mkdir(parents=True, exist_ok=True)
        lock = open(layout.lock, "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise SandboxError(f"another sandbox runs in {layout.root}: stop it, or choose --dir") from None
        self.lock = lock
        layout.create()
        write_bootstraps(layout, options.programs)
        ministack = start_ministack(layout, self.endpoints, options.settings, options.roles)
        self.children.append(ministack)
        simulator = start_simulator(
            layout, self.endpoints, options.programs.get("mgn-sim", binary("mgn-sim")), options.inventory, options.speed,
            simulator_arguments(options),
        )
        self.children.append(simulator)
        ministack.wait_until_healthy(f"{self.endpoints.aws}/_ministack/health", 20)
        simulator.wait_until_healthy(f"{self.endpoints.simulator}/_sim/health", 10)
        self.slack = SlackStandIn(options.slack_webhook)
        self.slack.start()
        self.endpoints.local_client("ssm").put_parameter(Name=PARAMETER, Type="SecureString", Value=self.slack.secret())
        slack = {"SlackParameter": PARAMETER, "SlackStandIn": self.slack.address}
        self.outputs = deploy(layout, self.endpoints, slack | options.parameters)
        self.slack.request_url = self.outputs["SlackRequestUrl"]
        lock_audit_records(self.client("s3"), self.outputs["AuditBucket"])
        credentials = create_person(self.client("iam"), "operator")
        approver = create_person(self.client("iam"), "approver")
        if options.initialize:
            self.client("mgn").initialize_service()
        self.sweeper = Sweeper(self.endpoints, self.tell)
        self.sweeper.start()
        self.variables = {
            "AWS_ENDPOINT_URL": self.endpoints.aws,
            "AWS_ENDPOINT_URL_MGN": self.endpoints.simulator,
            "AWS_ENDPOINT_URL_SSM": self.endpoints.simulator,
            # The first for SDKs, the second for the AWS CLI and Python.
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **credentials,
            "TIDEGATE_TABLE": self.outputs["Table"],
            "TIDEGATE_CONSOLE_URL": self.outputs["ConsoleUrl"],
        }
        self.approver = self.variables | approver
        self.write_environment()

    def write_environment(self) -> None:
        """Writes each file whole or not at all."""

        def lines(variables: dict[str, str]) -> str:
            return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())

        outputs = json.dumps({"variables": self.variables, "outputs": self.outputs}, indent=2)
        files = (
            (self.layout.outputs, outputs),
            (self.layout.approver, lines(self.approver)),
            (self.layout.environment, lines(self.variables)),
        )
        for path, text in files:
            draft = path.with_suffix(".draft")
            draft.write_text(text)
            draft.chmod(0o600)
            draft.replace(path)

    def dead_child(self) -> Child | None:
        """A process that ended though nobody stopped it."""
        return next((child for child in self.children if child.process.poll() is not None), None)

    def stop(self) -> None:
        """Stops in the reverse order. Safe to call twice; does nothing to another sandbox's directory."""
        if self.lock:
            self.layout.environment.unlink(missing_ok=True)
            self.layout.approver.unlink(missing_ok=True)
        if self.sweeper:
            self.sweeper.stop()
            self.sweeper = None
        if self.slack:
            self.slack.stop()
            self.slack = None
        while self.children:
            self.children.pop().stop()
        if self.lock:
            self.lock.close()
            self.lock = None
