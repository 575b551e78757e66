"""What happened is signed, exported and told; whatever is done to the chain afterwards is named."""

import json
import urllib.error
from contextlib import contextmanager
from pathlib import Path

import boto3
import jsonschema
import pytest
from botocore.exceptions import ClientError

from sandbox.local.processes import DIRECT

from .wave import Refused, plan, until

SCENARIOS = {"audited": 2}
SCHEMAS = Path(__file__).resolve().parents[2] / "events" / "domain"


@pytest.fixture(scope="module")
def told(scene):
    """Everything that the bus is told, by a rule of somebody else's."""
    events, queues = scene.sandbox.client("events"), scene.sandbox.client("sqs")
    bus = scene.sandbox.outputs["EventBus"]
    url = queues.create_queue(QueueName="consumer")["QueueUrl"]
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    events.put_rule(Name="consumer", EventBusName=bus, EventPattern=json.dumps({"source": ["tidegate"]}))
    events.put_targets(Rule="consumer", EventBusName=bus, Targets=[{"Id": "consumer", "Arn": queue}])
    seen: list[dict] = []

    def fetch() -> list[dict]:
        while batch := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                seen.append(json.loads(message["Body"]))
        return seen

    return fetch


@pytest.fixture(scope="module")
def ended(scene, told):
    """A wave that ran to its end, whose chain is exported."""
    wave = scene.apply(plan("audited"))
    wave.until_phase("AwaitingCutover")
    wave.approve_by_mail()
    wave.until_ended()
    until(lambda: (proof := verify(scene))["signed_to"] == proof["records"])
    return wave


def verify(scene) -> dict:
    """The proof, whether it is good or bad."""
    try:
        return json.loads(scene.tidegate("audit", "audited", "--verify", "--json"))
    except Refused as refused:
        text = str(refused)
        return json.loads(text[text.index("{"):text.rindex("}") + 1])


def chain(scene) -> list[dict]:
    """The records."""
    return json.loads(scene.tidegate("audit", "audited", "--json"))


def test_the_chain_is_shown_and_proved(scene, ended):
    table = scene.tidegate("audit", "audited")
    for words in ("WaveApplied", "GateOpened", "ops@example.com", "The wave is now Completed."):
        assert words in table
    said = scene.tidegate("audit", "audited", "--verify")
    assert said.startswith("Proved: ") and "all of them signed and exported" in said
    proof = verify(scene)
    assert proof["proved"] and not proof["findings"]
    assert proof["records"] == proof["signed_to"] == len(chain(scene)) > 10


def test_every_entry_is_told_to_the_bus_as_its_schema_says(scene, ended, told):
    entries = {f"audited/{record['number']}/{place}" for record in chain(scene) for place in range(len(record["record"]["entries"]))}
    until(lambda: entries <= {event["detail"]["id"] for event in told()})
    events = {event["detail"]["id"]: event for event in told()}
    assert set(events) == entries
    for event in events.values():
        assert event["source"] == "tidegate"
        schema = json.loads((SCHEMAS / f"{event['detail-type']}.schema.json").read_text())
        jsonschema.validate(event["detail"], schema, cls=jsonschema.Draft202012Validator)
    ordered = [events[key] for key in sorted(events, key=lambda key: [int(part) for part in key.split("/")[1:]])]
    names = [event["detail-type"] for event in ordered]
    expected = ["WaveApplied", "WaveStarted", "TestLaunched", "GateOpened", "GateDecided", "GateApproved", "CutoverLaunched", "WaveCompleted"]
    places = [names.index(name) for name in expected]
    assert places == sorted(places)
    launched = next(event["detail"] for event in ordered if event["detail-type"] == "CutoverLaunched")
    assert set(launched["servers"]) <= {server["sourceServerID"] for server in scene.source_servers("audited")}
    decided = next(event["detail"] for event in ordered if event["detail-type"] == "GateDecided")
    assert (decided["gate"], decided["verdict"]) == ("cutover", "approve")


@contextmanager
def meddled(scene):
    """The wave's items to meddle with; put back afterwards."""
    table, name = scene.sandbox.client("dynamodb"), scene.sandbox.outputs["Table"]
    found = table.query(
        TableName=name, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "WAVE#audited"}}, ConsistentRead=True
    )["Items"]
    items = {item["sk"]["S"]: item for item in found}

    class Meddle:
        numbers = sorted(int(key.split("#")[1]) for key in items if key.startswith("AUDIT#"))

        def body(self, number: int) -> str:
            return items[f"AUDIT#{number:010}"]["body"]["S"]

        def write(self, number: int, body: str) -> None:
            table.put_item(TableName=name, Item=items[f"AUDIT#{number:010}"] | {"body": {"S": body}})

        def remove(self, number: int) -> None:
            table.delete_item(TableName=name, Key={"pk": {"S": "WAVE#audited"}, "sk": {"S": f"AUDIT#{number:010}"}})

        def cut(self, after: int) -> None:
            """Cuts the chain and makes its head agree."""
            for number in self.numbers:
                if number > after:
                    self.remove(number)
            wave = json.loads(items["WAVE"]["body"]["S"])
            shown = {record["number"]: record["hash"] for record in chain(scene)}
            wave["audit"] = {"records": after, "hash": shown[after]}
            table.put_item(TableName=name, Item=items["WAVE"] | {"body": {"S": json.dumps(wave)}})

    try:
        yield Meddle()
    finally:
        for item in items.values():
            table.put_item(TableName=name, Item=item)


def test_whatever_is_done_to_the_chain_is_named(scene, ended):
    with meddled(scene) as wave:
        wave.write(5, wave.body(5).replace('"at":"2', '"at":"3', 1))
        assert verify(scene)["sentences"] == ["record 5 was altered"]
        with pytest.raises(Refused, match="record 5 was altered(.|\n)*not whole"):
            scene.tidegate("audit", "audited", "--verify")
    with meddled(scene) as wave:
        wave.remove(4)
        assert verify(scene)["sentences"] == ["record 4 is missing"]
    with meddled(scene) as wave:
        wave.write(3, wave.body(6))
        wave.write(6, wave.body(3))
        assert verify(scene)["sentences"] == [
            "record 3 is out of order: it was written as record 6", "record 6 is out of order: it was written as record 3",
        ]
    with meddled(scene) as wave:
        last = wave.numbers[-1]
        wave.cut(last - 2)
        assert verify(scene)["sentences"] == [f"records {last - 1} to {last} were cut off the end"]
    assert verify(scene)["proved"]


def test_what_is_exported_stays(scene, ended):
    store, bucket = scene.sandbox.client("s3"), scene.sandbox.outputs["AuditBucket"]
    kept = store.list_object_versions(Bucket=bucket, Prefix="audit/audited/")["Versions"]
    assert len(kept) == len(chain(scene))
    first = {"Bucket": bucket, "Key": kept[0]["Key"]}
    sealed = json.load(store.get_object(**first)["Body"])
    assert json.loads(sealed["record"])["number"] == sealed["number"] == 1

    # The operator may do everything, but for what the bucket's policy denies.
    variables = scene.sandbox.variables
    operator = boto3.client(
        "s3", endpoint_url=scene.sandbox.endpoints.aws, region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"], aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        operator.put_object(**first, Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        operator.delete_object(**first)

    # The local AWS lets its own account past the policy, and not past the lock: what is laid on top
    # of the first version, or marks it as deleted, is not what is read.
    with pytest.raises(ClientError, match="AccessDenied"):
        store.delete_object(**first, VersionId=kept[0]["VersionId"])
    store.put_object(**first, Body=b"{}")
    store.delete_object(**first)
    assert verify(scene)["proved"]


def test_what_the_doors_refuse_is_logged(scene, ended):
    address = f"{scene.sandbox.outputs['ConsoleUrl']}/decide?token=forged.AAAA"
    with pytest.raises(urllib.error.HTTPError):
        DIRECT.open(address)
    with pytest.raises(Refused):
        scene.tidegate("start", "audited")
    shown = json.loads(scene.tidegate("audit", "--refused", "--json"))
    assert {"link", "api"} <= {request["door"] for request in shown["requests"]}
    assert "forged" not in json.dumps(shown)
    table = scene.tidegate("audit", "--refused")
    assert "link" in table and "arn:aws:iam::000000000000:user/operator".rsplit(":", 1)[1] in table
    assert len(chain(scene)) == verify(scene)["records"], "strangers write no chain"
