"""The AWS CLI over every operation that both it and the simulator know, errors included.

The CLI runs in this process, which is ten times as fast as starting it anew; one test starts it.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from awscli.clidriver import create_clidriver
from botocore import xform_name

from .mgn_simulator import NOT_SIMULATED, REGION, Simulator, eventually

TEMPLATE = [
    "--staging-area-subnet-id", "subnet-0123456789abcdef0",
    "--associate-default-security-group",
    "--replication-servers-security-groups-ids", "sg-0123456789abcdef0",
    "--replication-server-instance-type", "t3.small",
    "--no-use-dedicated-replication-server",
    "--default-large-staging-disk-type", "GP3",
    "--ebs-encryption", "DEFAULT",
    "--bandwidth-throttling", "0",
    "--data-plane-routing", "PRIVATE_IP",
    "--no-create-public-ip",
    "--staging-area-tags", "a=b",
]  # fmt: skip


class CliError(Exception):
    """The CLI said no."""


class Cli:
    """`aws`, against one simulator."""

    # One driver for each simulator: it reads the service models once.
    drivers: ClassVar[dict] = {}
    # Commands that were accepted, by service.
    accepted: ClassVar[dict[str, set[str]]] = {"mgn": set(), "ssm": set()}

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        if url not in self.drivers:
            self.drivers[url] = create_clidriver()
        self.driver = self.drivers[url]

    def __call__(self, service: str, *words: str) -> dict:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = self.driver.main([service, *words])
            except SystemExit as stopped:
                code = stopped.code
        if code:
            raise CliError(err.getvalue())
        self.accepted[service].add(words[0])
        return json.loads(out.getvalue() or "{}")

    def operations(self, service: str) -> set[str]:
        """What the installed CLI knows of a service."""
        return set(self.driver.session.get_service_model(service).operation_names)

    def refused(self, expected: str, service: str, *words: str) -> None:
        """Calls, and expects an error that holds `expected`."""
        with pytest.raises(CliError) as refusal:
            self(service, *words)
        assert expected in str(refusal.value)


def environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_MGN": url,
        "AWS_ENDPOINT_URL_SSM": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }


@pytest.fixture(scope="module")
def simulator():
    """Four servers that are ready, and one that was discovered only; launches take half a second."""
    inventory = Path(__file__).with_name("mgn_sim_inventory.json")
    with Simulator("--inventory", str(inventory), "--ready", "--speed", "2000") as simulator:
        yield simulator


@pytest.fixture
def aws(simulator, monkeypatch) -> Cli:
    return Cli(simulator.url, monkeypatch)


def server(aws: Cli, name: str) -> dict:
    """A source server by its hostname."""
    servers = aws("mgn", "describe-source-servers")["items"]
    return next(
        found for found in servers if found["sourceProperties"]["identificationHints"]["hostname"] == name
    )


def finished(aws: Cli, job: dict) -> dict:
    """The job, once it is over."""

    def over() -> dict | None:
        found = aws("mgn", "describe-jobs", "--filters", f"jobIDs={job['job']['jobID']}")["items"][0]
        return found if found["status"] == "COMPLETED" else None

    return eventually(over)


def state(aws: Cli, identity: str) -> str:
    reply = aws("mgn", "describe-source-servers", "--filters", f"sourceServerIDs={identity}")
    return reply["items"][0]["lifeCycle"]["state"]


def change(aws: Cli, identity: str, target: str) -> dict:
    return aws(
        "mgn", "change-server-life-cycle-state", "--source-server-id", identity, "--life-cycle", f"state={target}"
    )


def test_a_server_goes_from_test_to_the_archive(aws):
    identity = server(aws, "db01")["sourceServerID"]
    one = ["--source-server-id", identity]
    many = ["--source-server-ids", identity]
    job = aws("mgn", "start-test", *many, "--tags", "effect=e-1")
    assert job["job"]["initiatedBy"] == "START_TEST"
    aws.refused("ConflictException", "mgn", "start-test", *many)
    over = finished(aws, job)
    assert over["tags"] == {"effect": "e-1"}
    assert over["participatingServers"][0]["launchStatus"] == "LAUNCHED"
    log = aws("mgn", "describe-job-log-items", "--job-id", over["jobID"])["items"]
    assert [item["event"] for item in log] == [
        "JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END",
        "LAUNCH_START", "LAUNCH_END", "JOB_END",
    ]  # fmt: skip
    assert state(aws, identity) == "TESTING"
    aws.refused("(ConflictException)", "mgn", "start-cutover", *many)
    aws.refused("(ConflictException)", "mgn", "terminate-target-instances", *many)
    aws.refused("(ConflictException)", "mgn", "finalize-cutover", *one)
    change(aws, identity, "READY_FOR_CUTOVER")
    finished(aws, aws("mgn", "terminate-target-instances", *many))
    finished(aws, aws("mgn", "start-cutover", *many))
    change(aws, identity, "READY_FOR_CUTOVER")
    finished(aws, aws("mgn", "start-cutover", *many))
    assert state(aws, identity) == "CUTTING_OVER"
    final = aws("mgn", "finalize-cutover", *one)
    assert final["lifeCycle"]["state"] == "CUTOVER"
    assert "lagDuration" not in final["dataReplicationInfo"]
    with pytest.raises(CliError, match="Cannot ChangeServerLifeCycleState for a CUTOVER server"):
        change(aws, identity, "READY_FOR_CUTOVER")
    assert aws("mgn", "disconnect-from-service", *one)["lifeCycle"]["state"] == "DISCONNECTED"
    assert aws("mgn", "mark-as-archived", *one)["isArchived"] is True
    archived = aws("mgn", "describe-source-servers", "--filters", "isArchived=true")["items"]
    assert [found["sourceServerID"] for found in archived] == [identity]
    aws("mgn", "delete-job", "--job-id", over["jobID"])
    aws("mgn", "delete-source-server", *one)
    aws.refused("(ResourceNotFoundException)", "mgn", "finalize-cutover", *one)


def test_what_the_recipe_got_wrong_is_refused(aws):
    identity = server(aws, "web01")["sourceServerID"]
    for words in (
        ["put-template"],
        ["describe-source-servers", "--source-server-ids", identity],
        ["associate-source-servers", "--wave-id", "wave-00000000000000000", "--source-server-ids", identity],
    ):
        with pytest.raises(CliError):
            aws("mgn", *words)
    with pytest.raises(CliError, match="ValidationException.*enum value set"):
        change(aws, identity, "TESTED")
    for words in (
        ["update-launch-configuration", "--source-server-id", identity, "--boot-mode", "BIOS"],
        ["get-launch-configuration", "--source-server-id", "initialization-check"],
        ["delete-replication-configuration-template", "--replication-configuration-template-id", "my-template"],
        ["create-replication-configuration-template", *TEMPLATE[:1], "", *TEMPLATE[2:]],
        ["start-test", "--source-server-ids", "s-1"],
        ["start-test", "--source-server-ids", "server-with-a-name-"],
        ["describe-source-servers", "--page-size", "1001"],
    ):
        # The CLI itself refuses what is too short.
        with pytest.raises(CliError, match=r"\(ValidationException\)|Parameter validation failed"):
            aws("mgn", *words)
    aws.refused("(ConflictException)", "mgn", "mark-as-archived", "--source-server-id", identity)


def test_templates_and_configurations(aws):
    identity = server(aws, "web01")["sourceServerID"]
    aws("mgn", "initialize-service")
    made = aws("mgn", "create-replication-configuration-template", *TEMPLATE)
    template = ["--replication-configuration-template-id", made["replicationConfigurationTemplateID"]]
    aws("mgn", "update-replication-configuration-template", *template, "--bandwidth-throttling", "100")
    found = aws("mgn", "describe-replication-configuration-templates")["items"]
    assert found[0]["bandwidthThrottling"] == 100
    shown = aws("mgn", "get-replication-configuration", "--source-server-id", identity)
    assert shown["bandwidthThrottling"] == 100
    shown = aws(
        "mgn", "update-replication-configuration", "--source-server-id", identity, "--bandwidth-throttling", "7"
    )
    assert shown["bandwidthThrottling"] == 7
    aws("mgn", "delete-replication-configuration-template", *template)
    aws.refused("(ResourceNotFoundException)", "mgn", "delete-replication-configuration-template", *template)

    shown = aws("mgn", "get-launch-configuration", "--source-server-id", identity)
    assert shown["ec2LaunchTemplateID"].startswith("lt-")
    words = ["--source-server-id", identity, "--target-instance-type-right-sizing-method", "NONE"]
    shown = aws("mgn", "update-launch-configuration", *words)
    assert shown["targetInstanceTypeRightSizingMethod"] == "NONE"
    made = aws("mgn", "create-launch-configuration-template", "--copy-private-ip")
    template = ["--launch-configuration-template-id", made["launchConfigurationTemplateID"]]
    aws("mgn", "update-launch-configuration-template", *template, "--boot-mode", "UEFI")
    found = aws("mgn", "describe-launch-configuration-templates")["items"]
    assert found[0]["bootMode"] == "UEFI"
    action = ["--action-name", "check", "--action-id", "a-1", "--document-identifier", "Tidegate-CheckPort"]
    aws("mgn", "put-template-action", *template, *action, "--order", "1001")
    assert len(aws("mgn", "list-template-actions", *template)["items"]) == 1
    aws("mgn", "remove-template-action", *template, "--action-id", "a-1")
    aws("mgn", "delete-launch-configuration-template", *template)

    one = ["--source-server-id", identity]
    aws("mgn", "put-source-server-action", *one, *action, "--order", "1001")
    aws.refused("(ValidationException)", "mgn", "put-source-server-action", *one, *action, "--order", "10001")
    other = [word.replace("a-1", "a-2") for word in action]
    aws.refused("(ConflictException)", "mgn", "put-source-server-action", *one, *other, "--order", "1001")
    assert len(aws("mgn", "list-source-server-actions", *one)["items"]) == 1
    aws("mgn", "remove-source-server-action", *one, "--action-id", "a-1")
    assert aws("mgn", "update-source-server", *one, "--user-provided-id", "u")["userProvidedID"] == "u"


def test_waves_and_applications(aws):
    identity = server(aws, "web01")["sourceServerID"]
    wave = aws("mgn", "create-wave", "--name", "orders", "--tags", "a=b")
    in_wave = ["--wave-id", wave["waveID"]]
    aws.refused("(ConflictException)", "mgn", "create-wave", "--name", "orders")
    application = aws("mgn", "create-application", "--name", "orders-web")
    of_application = ["--application-id", application["applicationID"]]
    both = [*in_wave, "--application-ids", application["applicationID"]]
    aws("mgn", "associate-source-servers", *of_application, "--source-server-ids", identity)
    aws("mgn", "associate-applications", *both)
    found = aws("mgn", "list-applications", "--filters", f"waveIDs={wave['waveID']}")["items"]
    assert found[0]["applicationAggregatedStatus"]["totalSourceServers"] == 1
    found = aws("mgn", "describe-source-servers", "--filters", f"applicationIDs={application['applicationID']}")
    assert [shown["sourceServerID"] for shown in found["items"]] == [identity]
    assert aws("mgn", "list-waves")["items"][0]["waveAggregatedStatus"]["totalApplications"] == 1
    aws.refused("(ConflictException)", "mgn", "archive-wave", *in_wave)
    aws("mgn", "update-wave", *in_wave, "--description", "the second try")
    aws("mgn", "update-application", *of_application, "--name", "orders-front")
    aws("mgn", "disassociate-applications", *both)
    aws("mgn", "disassociate-source-servers", *of_application, "--source-server-ids", identity)
    for words in (["archive-wave", *in_wave], ["archive-application", *of_application]):
        assert aws("mgn", *words)["isArchived"] is True
    for words in (["unarchive-wave", *in_wave], ["unarchive-application", *of_application]):
        assert aws("mgn", *words)["isArchived"] is False
    aws("mgn", "delete-application", *of_application)
    aws("mgn", "delete-wave", *in_wave)
    aws.refused("(ResourceNotFoundException)", "mgn", "archive-wave", *in_wave)


def test_replication_is_paused_stopped_started_and_retried(aws, simulator):
    identity = server(aws, "web02")["sourceServerID"]
    one = ["--source-server-id", identity]
    aws.refused("(ValidationException)", "mgn", "retry-data-replication", *one)
    shown = aws("mgn", "pause-replication", *one)
    assert shown["dataReplicationInfo"]["dataReplicationState"] == "PAUSED"
    aws("mgn", "resume-replication", *one)
    shown = aws("mgn", "stop-replication", *one)
    assert shown["lifeCycle"]["state"] == "STOPPED"
    aws.refused("(ConflictException)", "mgn", "stop-replication", *one)
    assert aws("mgn", "start-replication", *one)["lifeCycle"]["state"] == "NOT_READY"
    eventually(lambda: state(aws, identity) == "READY_FOR_TEST")

    def replication() -> str:
        reply = aws("mgn", "describe-source-servers", "--filters", f"sourceServerIDs={identity}")
        return reply["items"][0]["dataReplicationInfo"]["dataReplicationState"]

    simulator.control("stall", server=identity)
    assert replication() == "STALLED"
    aws("mgn", "retry-data-replication", *one)
    eventually(lambda: replication() == "CONTINUOUS")


def test_a_discovered_server_starts_to_replicate(aws):
    found = server(aws, "found01")
    identity = found["sourceServerID"]
    assert found["lifeCycle"]["state"] == "DISCOVERED"
    words = ["--source-server-id", identity, "--replication-type", "AGENT_BASED"]
    aws("mgn", "update-source-server-replication-type", *words)
    aws("mgn", "start-replication", "--source-server-id", identity)
    eventually(lambda: state(aws, identity) == "READY_FOR_TEST")


def test_tags(aws):
    arn = server(aws, "web01")["arn"]
    aws("mgn", "tag-resource", "--resource-arn", arn, "--tags", "owner=a team,x=y")
    aws("mgn", "untag-resource", "--resource-arn", arn, "--tag-keys", "x")
    tags = aws("mgn", "list-tags-for-resource", "--resource-arn", arn)["tags"]
    assert tags["owner"] == "a team" and "x" not in tags
    unknown = arn.rsplit("/", 1)[0] + "/s-00000000000000000"
    aws.refused("(ResourceNotFoundException)", "mgn", "list-tags-for-resource", "--resource-arn", unknown)


def test_pages_are_followed(aws):
    whole = aws("mgn", "describe-source-servers")["items"]
    paged = aws("mgn", "describe-source-servers", "--page-size", "1")["items"]
    assert [found["sourceServerID"] for found in paged] == [found["sourceServerID"] for found in whole]
    first = aws("mgn", "describe-source-servers", "--max-items", "2")
    assert len(first["items"]) == 2 and first["NextToken"]


def test_what_an_account_without_them_lists(aws):
    made = aws("mgn", "create-connector", "--name", "c", "--ssm-instance-id", "mi-0123456789abcdef0")
    assert len(aws("mgn", "list-connectors")["items"]) == 1
    aws("mgn", "update-connector", "--connector-id", made["connectorID"], "--name", "d")
    aws("mgn", "delete-connector", "--connector-id", made["connectorID"])
    for words in (["list-managed-accounts"], ["describe-vcenter-clients"], ["list-imports"], ["list-exports"]):
        assert aws("mgn", *words)["items"] == []


def test_commands(aws):
    nodes = aws("ssm", "describe-instance-information")["InstanceInformationList"]
    node = next(found for found in nodes if found["ComputerName"] == "web01")["InstanceId"]
    words = ["--instance-ids", node, "--document-name", "Tidegate-CheckPort", "--comment", "effect"]
    sent = aws("ssm", "send-command", *words, "--parameters", "port=5432")["Command"]["CommandId"]

    def over() -> bool:
        invocation = aws("ssm", "get-command-invocation", "--command-id", sent, "--instance-id", node)
        return invocation["Status"] == "Success"

    eventually(over)
    assert aws("ssm", "list-commands", "--command-id", sent)["Commands"][0]["Comment"] == "effect"
    found = aws("ssm", "list-command-invocations", "--command-id", sent, "--details")["CommandInvocations"]
    assert found[0]["CommandPlugins"][0]["ResponseCode"] == 0
    aws("ssm", "cancel-command", "--command-id", sent)
    aws("ssm", "describe-document", "--name", "Tidegate-CheckPort")
    aws.refused("(InvalidInstanceId)", "ssm", "send-command", "--instance-ids", "i-0123456789abcdef0", *words[2:])


def test_an_account_that_is_not_initialized(monkeypatch):
    with Simulator("--uninitialized", "--servers", "1") as simulator:
        aws = Cli(simulator.url, monkeypatch)
        aws.refused("(UninitializedAccountException)", "mgn", "describe-source-servers")
        aws("mgn", "initialize-service")
        assert len(aws("mgn", "describe-source-servers")["items"]) == 1


def test_quotas_throttling_and_missing_rights(monkeypatch):
    faults = ["--fault", "throttle=1:DescribeJobs:x1", "--fault", "deny=CreateWave"]
    with Simulator("--ready", "--servers", "2", "--quota", "concurrent-jobs=1", *faults) as simulator:
        aws = Cli(simulator.url, monkeypatch)
        first, second = (found["sourceServerID"] for found in aws("mgn", "describe-source-servers")["items"])
        aws("mgn", "start-test", "--source-server-ids", first)
        aws.refused("(ServiceQuotaExceededException)", "mgn", "start-test", "--source-server-ids", second)
        aws.refused("(ThrottlingException)", "mgn", "describe-jobs")
        aws("mgn", "describe-jobs")
        aws.refused("(AccessDeniedException)", "mgn", "create-wave", "--name", "w")


def test_the_cli_as_a_process(simulator):
    command = [Path(sys.executable).with_name("aws"), "mgn", "describe-source-servers", "--output", "json"]
    variables = {"PATH": os.environ.get("PATH", ""), **environment(simulator.url)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["items"]


def test_what_is_not_simulated_says_so(aws):
    for operation in NOT_SIMULATED.keys() & aws.operations("mgn"):
        parameters = json.dumps(NOT_SIMULATED[operation])
        aws.refused("(NotSimulatedException)", "mgn", xform_name(operation, "-"), "--cli-input-json", parameters)


# The last: it looks back at those above.
@pytest.mark.parametrize("service", ["mgn", "ssm"])
def test_every_operation_was_accepted(aws, simulator, service):
    both = simulator.operations(service) & aws.operations(service)
    assert sorted({xform_name(operation, "-") for operation in both} - Cli.accepted[service]) == []
