"""What else the template deploys: rules, doors, table, key, topic, queue."""

import json
import re
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.local.processes import DIRECT

from .conftest import until


def event(source: str, detail_type: str, detail: dict) -> dict:
    """An EventBridge envelope."""
    return {
        "version": "0", "id": "9da9af57-9253-4406-87cb-7cc400e43465", "detail-type": detail_type, "source": source,
        "account": "000000000000", "time": "2026-11-21T00:00:00Z", "region": "us-east-1", "resources": [], "detail": detail,
    }


def wanted(stage, envelope: dict) -> bool:
    """Whether a deployed rule hands this event to `events`."""
    rules = stage.sandbox.client("events")
    for rule in rules.list_rules()["Rules"]:
        if "EventPattern" not in rule or rule["State"] != "ENABLED":
            continue
        if rules.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(envelope))["Result"]:
            targets = rules.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            assert [target["Arn"].rsplit(":", 1)[1] for target in targets] == ["tidegate-events"]
            assert targets[0]["DeadLetterConfig"]["Arn"].endswith(":tidegate-undelivered")
            assert targets[0]["RetryPolicy"]["MaximumRetryAttempts"] == 10
            return True
    return False


@pytest.mark.parametrize(
    ("source", "detail_type", "detail", "expected"),
    [
        ("aws.mgn", "MGN Source Server Launch Result", {"state": "TEST_LAUNCH_SUCCEEDED", "job-id": "mgnjob-1"}, True),
        ("aws.mgn", "MGN Source Server Lifecycle State Change", {"state": "READY_FOR_TEST"}, True),
        ("aws.mgn", "MGN Source Server Data Replication Stalled Change", {"state": "STALLED"}, True),
        ("aws.mgn", "MGN Agent Install", {}, False),
        ("tidegate.test", "MGN Source Server Launch Result", {"state": "TEST_LAUNCH_SUCCEEDED"}, False),
        ("aws.ssm", "EC2 Command Invocation Status-change Notification", {"status": "Success"}, True),
        ("aws.ssm", "EC2 Command Status-change Notification", {"status": "TimedOut"}, True),
        ("aws.ssm", "EC2 Command Status-change Notification", {"status": "A status of next year"}, True),
        ("aws.ssm", "EC2 Command Status-change Notification", {"status": "InProgress"}, False),
        ("aws.ec2", "EC2 Instance State-change Notification", {"state": "running"}, False),
    ],
)
def test_the_rules_want_exactly_the_documented_events(stage, source, detail_type, detail, expected):
    assert wanted(stage, event(source, detail_type, detail)) is expected


def get(address: str, headers: dict | None = None) -> tuple[int, dict]:
    """Status and JSON body."""
    try:
        with DIRECT.open(urllib.request.Request(address, headers=headers or {})) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def test_public_routes_reach_console_with_payload_2_0(stage):
    stage.script(console=["echo"])
    for path, route in (("/", "GET /"), ("/decide?token=a.b", "GET /decide"), ("/wave?view=a.b", "GET /wave")):
        status, seen = get(stage.sandbox.outputs["ConsoleUrl"] + path)
        assert (status, seen["version"], seen["routeKey"]) == (200, "2.0", route)
        assert "authorizer" not in seen["requestContext"]
    assert seen["queryStringParameters"] == {"view": "a.b"}


def test_the_api_tells_who_signed(stage):
    stage.script(console=["echo"])
    address = f"{stage.sandbox.outputs['ConsoleUrl']}/api/waves/orders"
    variables = stage.sandbox.variables
    request = AWSRequest("GET", address)
    keys = Credentials(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "execute-api", variables["AWS_REGION"]).add_auth(request)
    status, seen = get(address, dict(request.headers))
    assert status == 200
    assert seen["rawPath"] == "/api/waves/orders"
    assert seen["pathParameters"] == {"proxy": "waves/orders"}
    assert seen["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::000000000000:user/operator"


def test_an_unsigned_call_of_the_api_names_nobody(stage):
    # AWS refuses it before it reaches the function; the local AWS lets it through with no caller, and
    # the function refuses it.
    stage.script(console=["echo"])
    status, seen = get(f"{stage.sandbox.outputs['ConsoleUrl']}/api/waves")
    assert status == 403 or "authorizer" not in seen["requestContext"]


def test_an_unknown_path_is_not_found(stage):
    status, _ = get(f"{stage.sandbox.outputs['ConsoleUrl']}/elsewhere")
    assert status == 404


def test_the_key_signs_and_verifies(stage):
    keys = stage.sandbox.client("kms")
    variables = stage.sandbox.client("lambda").get_function_configuration(FunctionName="tidegate-console")
    key = variables["Environment"]["Variables"]["TIDEGATE_SIGNING_KEY"]
    mac = keys.generate_mac(KeyId=key, Message=b"decision", MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert keys.verify_mac(KeyId=key, Message=b"decision", MacAlgorithm="HMAC_SHA_256", Mac=mac)["MacValid"]
    with pytest.raises(keys.exceptions.KMSInvalidMacException):
        keys.verify_mac(KeyId=key, Message=b"decisiom", MacAlgorithm="HMAC_SHA_256", Mac=mac)


def test_functions_get_exactly_the_variables_that_they_read(stage, repository):
    functions = stage.sandbox.client("lambda")
    for function in functions.list_functions(MaxItems=50)["Functions"]:
        name = function["FunctionName"].removeprefix("tidegate-")
        main = (repository / "functions" / name / "src" / "main.rs").read_text()
        variables = function["Environment"]["Variables"]
        assert set(variables) - {"RUST_LOG"} == set(re.findall(r'"(TIDEGATE_\w+)"', main)), name
        assert variables["TIDEGATE_ACCOUNT"] == "000000000000"
    gate = functions.get_function_configuration(FunctionName="tidegate-gate")["Environment"]["Variables"]
    assert gate["TIDEGATE_CONSOLE_URL"] == stage.sandbox.outputs["ConsoleUrl"]
    sweep = functions.get_function_configuration(FunctionName="tidegate-sweep")["Environment"]["Variables"]
    assert sweep["TIDEGATE_STATE_MACHINE_ARN"] == stage.machine


def test_the_table_lists_what_has_a_list_attribute(stage):
    tables = stage.sandbox.client("dynamodb")
    table = stage.sandbox.outputs["Table"]
    tables.put_item(TableName=table, Item={"pk": {"S": "DRIVER#a"}, "sk": {"S": "DRIVER"}, "list": {"S": "due"}, "at": {"S": "2026"}})
    tables.put_item(TableName=table, Item={"pk": {"S": "DRIVER#b"}, "sk": {"S": "DRIVER"}})
    found = tables.query(
        TableName=table, IndexName="by_list",
        KeyConditionExpression="#l = :l AND #a <= :a",
        ExpressionAttributeNames={"#l": "list", "#a": "at"},
        ExpressionAttributeValues={":l": {"S": "due"}, ":a": {"S": "2027"}},
    )
    assert [item["pk"]["S"] for item in found["Items"]] == ["DRIVER#a"]


def test_a_transaction_is_whole_or_nothing_and_its_token_repeats_it(stage):
    tables = stage.sandbox.client("dynamodb")
    table = stage.sandbox.outputs["Table"]

    def put(key: str, **condition: str) -> dict:
        return {"Put": {"TableName": table, "Item": {"pk": {"S": key}, "sk": {"S": "X"}}, **condition}}

    fresh = {"ConditionExpression": "attribute_not_exists(pk)"}
    tables.transact_write_items(TransactItems=[put("T#1", **fresh)], ClientRequestToken="one")
    tables.transact_write_items(TransactItems=[put("T#1", **fresh)], ClientRequestToken="one")
    with pytest.raises(tables.exceptions.TransactionCanceledException) as refused:
        tables.transact_write_items(TransactItems=[put("T#2"), put("T#1", **fresh)], ClientRequestToken="two")
    assert [reason["Code"] for reason in refused.value.response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert "Item" not in tables.get_item(TableName=table, Key={"pk": {"S": "T#2"}, "sk": {"S": "X"}})


def test_an_event_that_fails_for_good_lands_in_the_queue(stage):
    stage.script(events=[{"error": "Permanent"}])
    stage.sandbox.client("lambda").invoke(
        FunctionName="tidegate-events", InvocationType="Event",
        Payload=json.dumps(event("aws.mgn", "MGN Source Server Launch Result", {})),
    )
    queue = stage.sandbox.outputs["Queue"]
    messages = stage.sandbox.client("sqs")

    def received() -> list:
        return messages.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])

    body = json.loads(until(received, 30)[0]["Body"])
    assert body["requestPayload"]["source"] == "aws.mgn"
    assert len(stage.calls("events")) == 3


def test_sweep_is_called_every_second(stage):
    before = len(stage.calls("sweep"))
    until(lambda: len(stage.calls("sweep")) >= before + 2, 5)


def test_the_documents_are_deployed_with_their_content(stage):
    documents = stage.sandbox.endpoints.local_client("ssm")
    described = documents.describe_document(Name="Tidegate-CheckPort")["Document"]
    assert [parameter["Name"] for parameter in described["Parameters"]] == ["port", "address", "withinSeconds"]
    content = json.loads(documents.get_document(Name="Tidegate-StopServices")["Content"])
    assert [step["action"] for step in content["mainSteps"]] == ["aws:runShellScript", "aws:runPowerShellScript"]
    with pytest.raises(documents.exceptions.InvalidDocument):
        documents.describe_document(Name="Tidegate-CheckNothing")
