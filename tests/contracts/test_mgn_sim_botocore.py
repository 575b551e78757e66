"""boto3 against the simulator, every operation called and every reply checked against botocore's own
service model: each member exists in the shape, has its type, and keeps to its enum, pattern and limits.
Of operations that are newer than the installed botocore, against the simulator's model.

Known exceptions, seen on real accounts: the log event LAUNCH_END is not in the model, and
timestamps end in +00:00 where the model demands Z; SSM shows what is not set as an empty text.
"""

import json
import re
from typing import ClassVar

import pytest
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from .mgn_simulator import NOT_SIMULATED, Simulator, eventually

MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
EXPECTED_ERRORS = (
    "ConflictException", "ResourceNotFoundException", "ServiceQuotaExceededException",
    "UninitializedAccountException", "ValidationException",
)  # fmt: skip


def faults(shape: Shape, value: object, path: str) -> list[str]:
    """How a value differs from its shape."""
    if isinstance(shape, StructureShape):
        found = [f"{path} misses {name}" for name in shape.required_members if name not in value]
        for name, member in value.items():
            if name not in shape.members:
                found.append(f"{path} has no member {name}")
            else:
                found += faults(shape.members[name], member, f"{path}.{name}")
        return found
    if isinstance(shape, ListShape):
        found = limits(shape, len(value), path)
        return found + [fault for item in value for fault in faults(shape.member, item, f"{path}[]")]
    if isinstance(shape, MapShape):
        found = limits(shape, len(value), path)
        return found + [fault for item in value.values() for fault in faults(shape.value, item, f"{path}{{}}")]
    if isinstance(shape, StringShape):
        return string_faults(shape, value, path)
    if shape.type_name in ("integer", "long", "float", "double"):
        return limits(shape, value, path)
    return []


def string_faults(shape: StringShape, value: str, path: str) -> list[str]:
    if shape.name == "ISO8601DatetimeString" and MICROSECONDS.fullmatch(value):
        return []
    if shape.name == "StringDateTime":  # its pattern does not even fit PT0.5S, as SSM documents it
        return []
    if not value and path.startswith(("SendCommand.", "ListCommand", "GetCommandInvocation.")):
        return []
    if shape.enum and value not in shape.enum:
        return [] if value == "LAUNCH_END" else [f"{path}: {value} is none of {shape.enum}"]
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        return [f"{path}: {value} does not match {pattern}"]
    return limits(shape, len(value), path)


def limits(shape: Shape, size: float, path: str) -> list[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        return [f"{path}: {size} is not from {least} to {most}"]
    return []


class Checked:
    """A client whose replies are all checked."""

    # Operations that were accepted, by service.
    accepted: ClassVar[dict[str, set[str]]] = {"mgn": set(), "ssm": set()}

    def __init__(self, simulator: Simulator, service: str) -> None:
        self.service = service
        self.client = simulator.client(service)
        # The raw body too: botocore drops unknown members before anybody sees them.
        self.client.meta.events.register(f"before-parse.{service}.*", self.look)
        self.raw = {}

    def look(self, response_dict: dict, **_: object) -> None:
        body = response_dict["body"]
        self.raw = json.loads(body) if body else {}

    def __call__(self, operation: str, **parameters: object) -> dict:
        model = self.client.meta.service_model.operation_model(operation)
        method = next(name for name, named in self.client.meta.method_to_api_mapping.items() if named == operation)
        reply = getattr(self.client, method)(**parameters)
        metadata = reply.pop("ResponseMetadata")
        assert metadata["HTTPStatusCode"] == model.http.get("responseCode", 200), operation
        if model.output_shape is not None:
            assert faults(model.output_shape, self.raw, operation) == []
        self.accepted[self.service].add(operation)
        return reply

    def refused(self, code: str, status: int, operation: str, **parameters: object) -> ClientError:
        with pytest.raises(ClientError) as refusal:
            self(operation, **parameters)
        error = refusal.value
        assert error.response["Error"]["Code"] == code, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
        shape = self.client.meta.service_model.shape_for(code) if code in EXPECTED_ERRORS else None
        if shape is not None:
            assert faults(shape, self.raw, code) == []
        return error


@pytest.fixture(scope="module")
def simulator():
    with Simulator("--servers", "6", "--ready", "--speed", "2000", "--jitter", "0.3") as simulator:
        yield simulator


@pytest.fixture
def mgn(simulator) -> Checked:
    return Checked(simulator, "mgn")


@pytest.fixture
def servers(mgn) -> list[str]:
    return [server["sourceServerID"] for server in mgn("DescribeSourceServers")["items"]]


def finished(mgn: Checked, reply: dict) -> dict:
    identity = reply["job"]["jobID"]

    def over() -> dict | None:
        job = mgn("DescribeJobs", filters={"jobIDs": [identity]})["items"][0]
        return job if job["status"] == "COMPLETED" else None

    return eventually(over)


def test_replies_are_as_modelled_all_the_way(mgn, servers):
    first, second = servers[:2]
    both = [first, second]
    job = finished(mgn, mgn("StartTest", sourceServerIDs=both, tags={"a": "b"}))
    mgn("DescribeJobLogItems", jobID=job["jobID"])
    for server in both:
        mgn("ChangeServerLifeCycleState", sourceServerID=server, lifeCycle={"state": "READY_FOR_CUTOVER"})
    finished(mgn, mgn("TerminateTargetInstances", sourceServerIDs=[second]))
    finished(mgn, mgn("StartCutover", sourceServerIDs=both))
    mgn("DescribeSourceServers", filters={"sourceServerIDs": both})
    for server in both:
        mgn("FinalizeCutover", sourceServerID=server)
        mgn("DisconnectFromService", sourceServerID=server)
        mgn("MarkAsArchived", sourceServerID=server)
    mgn("DescribeSourceServers", filters={"isArchived": True})
    mgn("DeleteSourceServer", sourceServerID=first)
    mgn("DeleteJob", jobID=job["jobID"])


def test_settings_are_as_modelled(mgn, servers):
    server = {"sourceServerID": servers[2]}
    mgn("InitializeService")
    template = mgn(
        "CreateReplicationConfigurationTemplate",
        stagingAreaSubnetId="subnet-0123456789abcdef0",
        associateDefaultSecurityGroup=True,
        replicationServersSecurityGroupsIDs=[],
        replicationServerInstanceType="t3.small",
        useDedicatedReplicationServer=False,
        defaultLargeStagingDiskType="GP3",
        ebsEncryption="DEFAULT",
        bandwidthThrottling=0,
        dataPlaneRouting="PRIVATE_IP",
        createPublicIP=False,
        stagingAreaTags={},
    )
    identity = {"replicationConfigurationTemplateID": template["replicationConfigurationTemplateID"]}
    mgn("DescribeReplicationConfigurationTemplates")
    mgn("UpdateReplicationConfigurationTemplate", **identity, createPublicIP=True)
    mgn("GetReplicationConfiguration", **server)
    mgn("UpdateReplicationConfiguration", **server, createPublicIP=False)
    mgn("DeleteReplicationConfigurationTemplate", **identity)
    mgn("GetLaunchConfiguration", **server)
    mgn("UpdateLaunchConfiguration", **server, launchDisposition="STOPPED", licensing={"osByol": True})
    launch = mgn("CreateLaunchConfigurationTemplate", smallVolumeMaxSize=100)
    identity = {"launchConfigurationTemplateID": launch["launchConfigurationTemplateID"]}
    mgn("DescribeLaunchConfigurationTemplates")
    mgn("UpdateLaunchConfigurationTemplate", **identity, copyTags=False)
    action = {"actionID": "a", "actionName": "a", "documentIdentifier": "Tidegate-CheckPort", "order": 1001}
    mgn("PutTemplateAction", **identity, **action)
    mgn("ListTemplateActions", **identity)
    mgn("RemoveTemplateAction", **identity, actionID="a")
    mgn("DeleteLaunchConfigurationTemplate", **identity)
    mgn("PutSourceServerAction", **server, **action)
    mgn("ListSourceServerActions", **server)
    finished(mgn, mgn("StartTest", sourceServerIDs=[servers[2]]))
    mgn("RemoveSourceServerAction", **server, actionID="a")
    mgn("UpdateSourceServer", **server, userProvidedID="u")
    mgn("UpdateLaunchConfigurationDefaults", **server, smallVolumeMaxSize=100)
    assert mgn("GetLaunchConfigurationDefaults", **server)["smallVolumeMaxSize"] == 100


def test_groups_and_tags_are_as_modelled(mgn, servers):
    wave = mgn("CreateWave", name="w", description="d")
    application = mgn("CreateApplication", name="a")
    of_wave = {"waveID": wave["waveID"]}
    of_application = {"applicationID": application["applicationID"]}
    mgn("AssociateSourceServers", **of_application, sourceServerIDs=servers[:1])
    mgn("AssociateApplications", **of_wave, applicationIDs=[application["applicationID"]])
    mgn("ListWaves")
    mgn("ListApplications")
    mgn("UpdateWave", **of_wave, name="w2")
    mgn("UpdateApplication", **of_application, name="a2")
    mgn("TagResource", resourceArn=wave["arn"], tags={"a": "b"})
    mgn("ListTagsForResource", resourceArn=wave["arn"])
    mgn("UntagResource", resourceArn=wave["arn"], tagKeys=["a"])
    mgn("DisassociateApplications", **of_wave, applicationIDs=[application["applicationID"]])
    mgn("DisassociateSourceServers", **of_application, sourceServerIDs=servers[:1])
    for operation in ("ArchiveWave", "UnarchiveWave", "DeleteWave"):
        mgn(operation, **of_wave)
    for operation in ("ArchiveApplication", "UnarchiveApplication", "DeleteApplication"):
        mgn(operation, **of_application)


def test_replication_is_as_modelled(mgn, servers, simulator):
    server = {"sourceServerID": servers[3]}
    for operation in ("PauseReplication", "ResumeReplication", "StopReplication", "StartReplication"):
        mgn(operation, **server)
    for _ in range(30):
        mgn("DescribeSourceServers", filters={"sourceServerIDs": [servers[3]]})

    def replication() -> str:
        shown = mgn("DescribeSourceServers", filters={"sourceServerIDs": [servers[3]]})["items"][0]
        return shown["dataReplicationInfo"]["dataReplicationState"]

    eventually(lambda: replication() == "CONTINUOUS")
    simulator.control("stall", server=servers[3])
    assert replication() == "STALLED"
    mgn("RetryDataReplication", **server)
    eventually(lambda: replication() == "CONTINUOUS")


def test_a_discovered_server_is_as_modelled(mgn, simulator):
    found = simulator.control("agent", hostname="found01", state="DISCOVERED")
    mgn("DescribeSourceServers", filters={"sourceServerIDs": [found["sourceServerID"]]})
    mgn("UpdateSourceServerReplicationType", **found, replicationType="AGENT_BASED")
    mgn("DeleteSourceServer", **found)


def test_connectors_and_empty_lists_are_as_modelled(mgn):
    connector = mgn("CreateConnector", name="c", ssmInstanceID="mi-0123456789abcdef0")
    mgn("ListConnectors")
    mgn("UpdateConnector", connectorID=connector["connectorID"], name="d")
    mgn("DeleteConnector", connectorID=connector["connectorID"])
    for operation in (
        "ListManagedAccounts", "DescribeVcenterClients", "ListImports", "ListExports", "ListRemoteSourceActions",
        "ListRemoteSourceActionJobs",
    ):
        assert mgn(operation)["items"] == []


@pytest.mark.parametrize("operation", sorted(NOT_SIMULATED))
def test_what_is_not_simulated_says_so(mgn, operation):
    mgn.refused("NotSimulatedException", 501, operation, **NOT_SIMULATED[operation])


def test_errors_are_as_modelled(mgn, servers):
    unknown = "s-00000000000000000"
    mgn.refused("ResourceNotFoundException", 404, "FinalizeCutover", sourceServerID=unknown)
    mgn.refused("ConflictException", 409, "FinalizeCutover", sourceServerID=servers[4])
    error = mgn.refused("ValidationException", 400, "StartTest", sourceServerIDs=["s-1"])
    assert error.response["reason"] == "fieldValidationFailed"
    assert error.response["fieldList"][0]["name"] == "sourceServerIDs/0"
    error = mgn.refused("ConflictException", 409, "StartCutover", sourceServerIDs=servers[4:6])
    assert [fault["resourceId"] for fault in error.response["errors"]] == servers[4:6]
    too_many = [f"s-{number:017}" for number in range(201)]
    mgn.refused("ValidationException", 400, "StartTest", sourceServerIDs=too_many)
    mgn.refused("ValidationException", 400, "DescribeJobs", nextToken="nonsense")
    mgn.refused("AccessDeniedException", 403, "DescribeJobs", accountID="111122223333")


def test_quotas_and_initialization_are_as_modelled():
    with Simulator("--uninitialized", "--quota", "active-waves=1") as simulator:
        mgn = Checked(simulator, "mgn")
        mgn.refused("UninitializedAccountException", 400, "DescribeSourceServers")
        mgn("InitializeService")
        mgn("CreateWave", name="one")
        error = mgn.refused("ServiceQuotaExceededException", 402, "CreateWave", name="two")
        assert error.response["quotaValue"] == 1
        # Being copied for the first time.
        server = mgn("DescribeSourceServers")["items"][0]
        assert server["dataReplicationInfo"]["dataReplicationState"] == "INITIATING"
        mgn.refused("ConflictException", 409, "StartTest", sourceServerIDs=[server["sourceServerID"]])


def test_throttling_tells_when_to_come_back():
    with Simulator("--ready", "--fault", "throttle=1:DescribeJobs") as simulator:
        error = Checked(simulator, "mgn").refused("ThrottlingException", 429, "DescribeJobs")
        assert int(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1


def test_ssm_is_as_modelled(simulator):
    ssm = Checked(simulator, "ssm")
    nodes = ssm("DescribeInstanceInformation", MaxResults=50)["InstanceInformationList"]
    node = next(found["InstanceId"] for found in nodes if found["ResourceType"] == "ManagedInstance")
    sent = ssm("SendCommand", InstanceIds=[node], DocumentName="Tidegate-CheckPort", Comment="c")
    command = sent["Command"]["CommandId"]

    def over() -> bool:
        return ssm("GetCommandInvocation", CommandId=command, InstanceId=node)["Status"] == "Success"

    eventually(over)
    ssm("ListCommands", InstanceId=node, Filters=[{"key": "DocumentName", "value": "Tidegate-CheckPort"}])
    ssm("ListCommandInvocations", CommandId=command, Details=True)
    ssm("CancelCommand", CommandId=command)
    ssm("DescribeDocument", Name="Tidegate-CheckPort")
    ssm.refused("InvalidInstanceId", 400, "SendCommand", InstanceIds=["i-0123456789abcdef0"], DocumentName="Document")
    ssm.refused("InvocationDoesNotExist", 400, "GetCommandInvocation", CommandId="0" * 36, InstanceId=node)


# The last: it looks back at those above.
@pytest.mark.parametrize("service", ["mgn", "ssm"])
def test_every_operation_was_accepted(simulator, service):
    assert sorted(simulator.operations(service) - Checked.accepted[service]) == []
