"""Waves that are approved in Slack."""

import json
import time
import urllib.parse

import pytest

from sandbox.local.processes import DIRECT

from .wave import plan, until

SCENARIOS = {"slacked": 2, "elsewhere": 2, "ended": 2, "refused": 2, "doubled": 2}

ANNA = "U024BE7LH"
STRANGER = "U0STRANGE"


def asking(scenario: str, **gate) -> dict:
    """A plan whose cutover is approved in Slack."""
    gates = plan(scenario)["gates"]
    gates["cutover"] = {"approvers": [f"slack:{ANNA}"], "expires": "1h", "notify": ["slack"]} | gate
    return plan(scenario, gates=gates)


def question(scene, wave: str):
    """The newest message of a wave that has buttons."""
    slack = scene.sandbox.slack

    def there():
        assert not slack.refused, slack.refused
        asked = [message for message in slack.messages if f"\n{wave}\n" in message.shown() and "approve" in message.buttons()]
        return asked[-1] if asked else None

    return until(there, 90)


def test_a_wave_is_approved_in_slack(scene):
    slack = scene.sandbox.slack
    wave = scene.apply(asking("slacked"))
    message = question(scene, "slacked")
    shown = message.shown()
    for part in ("Wave slacked: approve the cutover?", "*Projected downtime*", "*Decide by*", "2 servers", "slacked01"):
        assert part in shown, shown
    assert slack.click(message, "look", ANNA) == 200
    assert slack.click(message, "approve", STRANGER) == 200
    assert [user for user, _ in message.whispers] == [ANNA, STRANGER]
    page = message.whispers[0][1].removeprefix("<").split("|")[0]
    with DIRECT.open(page) as answer:
        assert "slacked01" in answer.read().decode()
    assert wave.status()["phase"] == "AwaitingCutover"
    assert slack.click(message, "approve", ANNA) == 200
    # First by the answer to the click, then by the wave itself.
    assert f"<@{ANNA}>" in message.shown() and "approved" in message.shown()
    assert "approve" not in message.buttons()
    end = wave.until_ended()
    assert end["phase"] == "Completed"
    gate = next(gate for gate in end["gates"] if gate["gate"] == "cutover")
    assert gate["approved_by"] == [f"slack:{ANNA}"]
    assert not slack.refused


def test_a_question_that_was_answered_by_another_door_says_so(scene):
    slack = scene.sandbox.slack
    approvers = [f"slack:{ANNA}", "iam:arn:aws:iam::000000000000:user/operator"]
    wave = scene.apply(asking("elsewhere", approvers=approvers, self_approval=True))
    message = question(scene, "elsewhere")
    wave.until_phase("AwaitingCutover")
    scene.tidegate("approve", "elsewhere", "cutover", "--yes")
    until(lambda: "approved by iam:arn:aws:iam::000000000000:user/operator" in message.shown())
    assert "approve" not in message.buttons()
    assert wave.until_ended()["phase"] == "Completed"


def test_an_aborted_wave_asks_nobody_any_more(scene):
    wave = scene.apply(asking("ended"))
    message = question(scene, "ended")
    scene.tidegate("abort", "ended")
    until(lambda: "not asked any more" in message.shown())
    assert wave.until_ended()["phase"] == "Aborted"


def test_a_rejection_in_slack_holds_the_wave(scene):
    slack = scene.sandbox.slack
    wave = scene.apply(asking("refused"))
    message = question(scene, "refused")
    assert slack.click(message, "reject", ANNA) == 200
    hold = wave.until(lambda seen: seen["held"])["hold"]
    assert f"slack:{ANNA}" in hold["reason"]
    told = until(lambda: next((m for m in slack.messages if m.text.startswith("Wave refused is held: act")), None))
    assert "tidegate abort refused" in told.shown() and not told.buttons()
    assert not slack.refused


def test_what_slack_did_not_send_is_refused_and_what_it_sends_twice_counts_once(scene):
    slack = scene.sandbox.slack
    wave = scene.apply(asking("doubled"))
    message = question(scene, "doubled")
    body = urllib.parse.urlencode({"payload": json.dumps(slack.payload(message, "approve", ANNA))}).encode()
    headers = slack.sign(body)
    assert slack.send(body, slack.sign(body, secret="0" * 32)) == 403
    assert slack.send(body, slack.sign(body, at=int(time.time()) - 301)) == 403
    assert slack.send(body + b" ", headers) == 403
    assert wave.status()["phase"] == "AwaitingCutover"
    assert slack.send(body, headers) == 200
    assert slack.send(body, headers) == 200
    end = wave.until_ended()
    assert end["phase"] == "Completed"
    gate = next(gate for gate in end["gates"] if gate["gate"] == "cutover")
    assert gate["approved_by"] == [f"slack:{ANNA}"]


@pytest.mark.parametrize("function", ["gate", "console"])
def test_no_secret_is_in_the_logs(scene, function):
    slack = scene.sandbox.slack
    log = (scene.sandbox.layout.logs / f"{function}.log").read_text()
    assert log
    for secret in (slack.signing_secret, slack.token, slack.hook):
        assert secret not in log
