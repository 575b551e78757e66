"""Links: each approver's goes to their own mailbox, decides once, and makes a quorum with others' alone."""

import json

import pytest

from sandbox.local.mailbox import Mailbox
from sandbox.local.page import follow

from .wave import plan

SCENARIOS = {"quorum": 2, "overheard": 2}
ANN, BOB = "ann@example.com", "bob@example.com"


def gates(scenario: str) -> dict:
    """Two approvers, who both have to approve."""
    changed = plan(scenario)["gates"]
    changed["cutover"] |= {"approvers": [ANN, BOB], "quorum": 2}
    return changed


def links(scene, mailbox: Mailbox, wave: str) -> set[str]:
    """Every approval link of a wave that came to a mailbox."""
    mailbox.fetch()
    console = scene.sandbox.outputs["ConsoleUrl"]
    return {
        link for message in mailbox.messages if message.attributes.get("wave") == wave
        for link in message.links(console)
    }


def approvals(wave) -> list[str]:
    """Who approved the cutover so far."""
    return next((gate["approved_by"] for gate in wave.status()["gates"] if gate["gate"] == "cutover"), [])


@pytest.fixture
def mailboxes(scene):
    """Those of the two approvers."""
    with Mailbox(scene.sandbox, ANN) as anns, Mailbox(scene.sandbox, BOB) as bobs:
        yield {ANN: anns, BOB: bobs}


def test_a_quorum_is_met_by_links_of_different_mailboxes_alone(scene, mailboxes):
    wave = scene.apply(plan("quorum", gates=gates("quorum")))
    wave.until(lambda _: all(links(scene, mailbox, "quorum") for mailbox in mailboxes.values()))
    (anns,), (bobs,) = (links(scene, mailbox, "quorum") for mailbox in mailboxes.values())
    assert anns != bobs
    assert not links(scene, scene.mailbox, "quorum"), "somebody else's mailbox has none"

    assert follow(anns)[0] == 200
    wave.until(lambda _: approvals(wave) == [ANN])
    try:
        again = follow(anns)[0]
    except OSError as error:
        again = error.code
    assert again == 410
    assert wave.status()["phase"] == "AwaitingCutover"
    assert follow(bobs)[0] == 200
    assert wave.until_ended()["phase"] == "Completed"


def test_nobody_is_asked_while_one_subscriber_would_get_several_links(scene, mailboxes):
    topic = scene.sandbox.outputs["Topic"]
    queue = scene.sandbox.client("sqs").create_queue(QueueName="everything")["QueueUrl"]
    attributes = scene.sandbox.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    people = scene.sandbox.client("sns")
    subscription = people.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"], ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    wave = scene.apply(plan("overheard", gates=gates("overheard")))
    hold = wave.until(lambda seen: seen["held"])["hold"]
    assert f"everything may get the links of {ANN} and {BOB}" in hold["reason"], hold
    assert not links(scene, scene.mailbox, "overheard")

    people.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"to": [{"exists": False}]}),
    )
    released = [command for command, _ in hold["commands"] if command.startswith("tidegate resume")]
    wave.command(released[0])
    wave.until(lambda _: links(scene, mailboxes[ANN], "overheard"))
    scene.tidegate("abort", "overheard")
    wave.until_ended()
