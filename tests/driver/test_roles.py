"""What each function's role allows on the table and on the key, tried with the function's own credentials.

The local AWS enforces the template's policies here. A call that got past them counts as allowed,
whatever came of it then.
"""

import json
from itertools import product

import pytest

from sandbox.local.layout import FUNCTIONS

ACTS = ("prepare", "launch", "lifecycle", "validate", "gate", "finalize", "notify")
PREFIXES = ("WAVE", "SEEN", "JOBS", "EFFECTS", "INBOX", "DRIVER", "SERVER", "REF", "ACCOUNT", "EXPORT", "REFUSED", "OTHER")

READS = {
    "events": {"SERVER", "REF", "DRIVER"},
    "sweep": {"DRIVER"},
    "observe": {"WAVE", "SEEN", "DRIVER"},
    "advance": {"WAVE", "SEEN", "JOBS", "EFFECTS", "INBOX", "ACCOUNT", "DRIVER"},
    "park": {"DRIVER"},
    "export": {"WAVE", "EXPORT"},
    "console": {"WAVE", "SEEN", "EFFECTS", "INBOX", "DRIVER", "SERVER"},
} | {act: {"EFFECTS"} for act in ACTS} | {"prepare": {"EFFECTS", "SERVER"}}
PUTS = {
    "observe": {"SEEN", "JOBS"},
    "advance": {"WAVE", "EFFECTS", "INBOX", "ACCOUNT", "DRIVER"},
    "prepare": {"SERVER"},
    "validate": {"REF"},
    "export": {"EXPORT"},
    "console": {"INBOX", "DRIVER", "REFUSED"},
}
UPDATES = {
    "events": {"DRIVER"}, "sweep": {"DRIVER"}, "observe": {"DRIVER"}, "park": {"DRIVER"}, "console": {"DRIVER", "REFUSED"},
    "advance": {"WAVE", "EFFECTS", "INBOX", "ACCOUNT", "DRIVER"},
} | {act: {"EFFECTS"} for act in ACTS}
DELETES = {"observe": {"SEEN", "JOBS"}, "prepare": {"SERVER"}}

REFUSALS = ("AccessDeniedException", "AccessDenied", "AuthorizationError", "UnauthorizedOperation")


@pytest.fixture(scope="module")
def tries(stage):
    """Makes a function call AWS; for each call, whether its role let it."""
    functions = stage.sandbox.client("lambda")

    def attempt(function: str, *calls: tuple[str, str, dict]) -> list[bool]:
        answer = functions.invoke(FunctionName=f"tidegate-{function}", Payload=json.dumps({"aws": calls}))
        outcomes = json.load(answer["Payload"])
        assert not [outcome for outcome in outcomes if outcome.startswith("not called")], outcomes
        return [outcome not in REFUSALS for outcome in outcomes]

    return attempt


def key(prefix: str) -> dict:
    """A key in that partition."""
    return {"pk": {"S": f"{prefix}#x"}, "sk": {"S": "X"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reaches_its_partitions_and_no_others(stage, tries, function):
    table = {"TableName": stage.sandbox.outputs["Table"]}
    operations = [
        ("get_item", READS, lambda prefix: {"Key": key(prefix)}),
        ("put_item", PUTS, lambda prefix: {"Item": key(prefix)}),
        ("update_item", UPDATES, lambda prefix: {"Key": key(prefix)}),
        ("delete_item", DELETES, lambda prefix: {"Key": key(prefix)}),
    ]
    pairs = list(product(operations, PREFIXES))
    got = tries(function, *(("dynamodb", name, table | make(prefix)) for (name, _, make), prefix in pairs))
    let = {(name, prefix) for ((name, _, _), prefix), outcome in zip(pairs, got, strict=True) if outcome}
    assert let == {(name, prefix) for (name, allowed, _), prefix in pairs if prefix in allowed.get(function, ())}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_does_what_it_is_for_and_nothing_else(stage, tries, function):
    gate = stage.sandbox.client("lambda").get_function_configuration(FunctionName="tidegate-gate")
    signing = {
        "KeyId": gate["Environment"]["Variables"]["TIDEGATE_SIGNING_KEY"], "Message": "m", "MacAlgorithm": "HMAC_SHA_256",
    }
    export = stage.sandbox.client("lambda").get_function_configuration(FunctionName="tidegate-export")
    sealing = signing | {"KeyId": export["Environment"]["Variables"]["TIDEGATE_AUDIT_KEY"]}
    archive = {"Bucket": stage.sandbox.outputs["AuditBucket"], "Key": f"audit/by/{function}.json"}
    table = {"TableName": stage.sandbox.outputs["Table"]}
    calls = {
        "scan": ("dynamodb", "scan", table),
        "list": ("dynamodb", "query", table | {
            "IndexName": "by_list", "KeyConditionExpression": "#l = :l", "ExpressionAttributeNames": {"#l": "list"},
            "ExpressionAttributeValues": {":l": {"S": "due"}},
        }),
        "sign": ("kms", "generate_mac", signing),
        "check signatures": ("kms", "verify_mac", signing | {"Mac": "m"}),
        "seal records": ("kms", "generate_mac", sealing),
        "check seals": ("kms", "verify_mac", sealing | {"Mac": "m"}),
        "keep records": ("s3", "put_object", archive | {"Body": "{}", "IfNoneMatch": "*"}),
        "remove records": ("s3", "delete_object", archive),
        "list kept records": ("s3", "list_object_versions", {"Bucket": archive["Bucket"]}),
        "tell machines": ("events", "put_events", {"Entries": [
            {"Source": "tidegate", "DetailType": "Test", "Detail": "{}", "EventBusName": stage.sandbox.outputs["EventBus"]},
        ]}),
        "tell people": ("sns", "publish", {"TopicArn": stage.sandbox.outputs["Topic"], "Message": "m"}),
        "start drivers": ("stepfunctions", "start_execution", {
            "stateMachineArn": stage.machine, "name": f"by-{function}", "input": '{"wave": "none", "generation": 1}',
        }),
        "wake drivers": ("stepfunctions", "send_task_success", {"taskToken": "none", "output": "{}"}),
        "stop drivers": ("stepfunctions", "stop_execution", {"executionArn": f"{stage.machine}:none".replace("stateMachine", "execution")}),
        "see documents": ("ssm", "describe_document", {"Name": "Tidegate-CheckPort"}),
        "see instances": ("ec2", "describe_instances", {}),
        "see launch templates": ("ec2", "describe_launch_templates", {}),
        "see subnets": ("ec2", "describe_subnets", {}),
        "run instances": ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}),
        "terminate instances": ("ec2", "terminate_instances", {"InstanceIds": ["i-1"]}),
        "read the Slack secret": ("ssm", "get_parameter", {"Name": "/tidegate/slack", "WithDecryption": True}),
        "read other secrets": ("ssm", "get_parameter", {"Name": "/tidegate/slack/other", "WithDecryption": True}),
        "change the Slack secret": ("ssm", "put_parameter", {"Name": "/tidegate/slack", "Value": "x", "Overwrite": True}),
        "take roles": ("sts", "assume_role", {"RoleArn": gate["Role"], "RoleSessionName": "somebody"}),
        "call functions": ("lambda", "invoke", {"FunctionName": "tidegate-notify"}),
    }
    expected = {
        "export": {"list", "seal records", "keep records", "list kept records", "tell machines"},
        "sweep": {"list", "start drivers", "wake drivers"},
        "console": {"list", "sign", "check signatures", "check seals", "list kept records", "start drivers", "wake drivers", "read the Slack secret"},
        "events": {"wake drivers"},
        "park": {"wake drivers"},
        "gate": {"sign", "tell people", "read the Slack secret"},
        "notify": {"tell people", "read the Slack secret"},
        "observe": {"see instances", "see launch templates"},
        "launch": {"see instances", "see launch templates", "see subnets"},
        "prepare": {"see documents"},
    }
    got = tries(function, *calls.values())
    assert {name for name, outcome in zip(calls, got, strict=True) if outcome} == expected.get(function, set())


def test_queries_are_held_to_their_partition(stage, tries):
    def query(prefix: str) -> tuple:
        return ("dynamodb", "query", {
            "TableName": stage.sandbox.outputs["Table"], "KeyConditionExpression": "pk = :p AND begins_with(sk, :s)",
            "ExpressionAttributeValues": {":p": {"S": f"{prefix}#x"}, ":s": {"S": "SERVERS#"}},
        })

    assert tries("advance", query("WAVE"), query("SERVER")) == [True, False]
    assert tries("notify", query("WAVE")) == [False]


def test_one_foreign_item_refuses_the_whole_transaction(stage, tries):
    table = stage.sandbox.outputs["Table"]

    def put(prefix: str) -> dict:
        return {"Put": {"TableName": table, "Item": key(prefix)}}

    def save(*items: dict) -> tuple:
        return ("dynamodb", "transact_write_items", {"TransactItems": items})

    check = {"ConditionCheck": {"TableName": table, "Key": key("WAVE"), "ConditionExpression": "attribute_exists(pk)"}}
    assert tries("advance", save(check, put("EFFECTS")), save(check, put("SERVER"))) == [True, False]
