"""Waves that are approved in Slack where messages go through an incoming webhook: such a message can be
changed in answer to a click in it, and in no other way."""

from .test_slack import ANNA, STRANGER, asking, question
from .wave import until

SCENARIOS = {"hooked": 2, "overtaken": 2}
SLACK_WEBHOOK = True


def cutover(seen: dict) -> dict:
    """The cutover gate as the wave shows it."""
    return next(gate for gate in seen["gates"] if gate["gate"] == "cutover")


def test_a_click_approves_and_changes_its_message(scene):
    slack = scene.sandbox.slack
    wave = scene.apply(asking("hooked"))
    message = question(scene, "hooked")
    assert slack.click(message, "approve", STRANGER) == 200
    assert message.edits == 0 and [user for user, _ in message.whispers] == [STRANGER]
    assert slack.click(message, "approve", ANNA) == 200
    assert f"<@{ANNA}>" in message.shown() and "approved" in message.shown()
    assert not message.buttons()
    end = wave.until_ended()
    assert end["phase"] == "Completed"
    assert cutover(end)["approved_by"] == [f"slack:{ANNA}"]
    assert message.edits == 1, "nobody but the click could change it"
    assert not slack.refused


def test_a_message_whose_gate_was_decided_elsewhere_says_so_when_it_is_clicked(scene):
    slack = scene.sandbox.slack
    approvers = [f"slack:{ANNA}", "iam:arn:aws:iam::000000000000:user/approver"]
    wave = scene.apply(asking("overtaken", approvers=approvers))
    message = question(scene, "overtaken")
    scene.tidegate("approve", "overtaken", "cutover", "--yes", approving=True)
    decided = cutover(wave.until(lambda seen: cutover(seen)["approved_by"]))
    assert slack.click(message, "reject", ANNA) == 200
    assert wave.until_ended()["phase"] == "Completed"
    assert slack.click(message, "approve", ANNA) == 200
    told = [text for user, text in message.whispers if user == ANNA]
    assert ["was approved by iam:" in told[0], "has ended" in told[1]] == [True, True], told
    assert {"approve", "reject"} <= set(message.buttons()) and message.edits == 0
    assert cutover(wave.status())["approved_by"] == decided["approved_by"] == [approvers[1]]
    assert not slack.refused


def test_the_webhook_is_in_no_log(scene):
    slack = scene.sandbox.slack
    logs = {path.name: path.read_text() for path in scene.sandbox.layout.logs.iterdir()}
    assert "approvers asked in Slack" in logs["gate.log"]
    for name, log in logs.items():
        for secret in (slack.signing_secret, slack.hook):
            assert secret not in log, name
