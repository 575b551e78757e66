"""Gates by the command line: parts, withdrawals, waivers, who may not, and what lapses a decision."""

import pytest

from .wave import Refused, plan

SCENARIOS = {"parted": 2, "partweb": 2, "undone": 2, "waived": 2, "lapsed": 2, "resized": 2}
OPERATOR = "iam:arn:aws:iam::000000000000:user/operator"
APPROVER = "iam:arn:aws:iam::000000000000:user/approver"
FAULTS = ["command=Tidegate-CheckPort:waived01:*:failed"]


def gates(**gate) -> dict:
    """Gates that the approver decides by the command line."""
    changed = plan("")["gates"]
    changed["cutover"] = {"approvers": [APPROVER], "quorum": 1, "expires": "1h"} | gate
    return changed


def cutover(seen: dict) -> dict:
    """The cutover gate as the console shows it."""
    return next((gate for gate in seen["gates"] if gate["gate"] == "cutover"), {})


def is_open(seen: dict) -> bool:
    """Whether the cutover gate asks."""
    return cutover(seen).get("state") == "open"


def test_a_part_is_cut_over_and_the_rest_when_somebody_asks(scene):
    applications = [
        plan(name)["applications"][0] | {"after": after}
        for name, after in (("parted", []), ("partweb", ["parted"]))
    ]
    wave = scene.apply(plan("parted", gates=gates(), applications=applications))
    wave.until(is_open)
    with pytest.raises(Refused, match="artweb comes after parted"):
        scene.tidegate("approve", "parted", "cutover", "--only", "partweb", "--yes", approving=True)
    said = scene.tidegate("approve", "parted", "cutover", "--only", "parted", "--reason", "web waits", "--yes", approving=True)
    assert "approved in part" in said
    wave.until(lambda seen: seen["stages"] == {"finalized": 2, "tested": 2})
    assert "tidegate ask parted cutover" in wave.status()["waiting_for"]
    scene.tidegate("ask", "parted", "cutover")
    wave.until(is_open)
    scene.tidegate("approve", "parted", "cutover", "--yes", approving=True)
    assert wave.until_ended()["phase"] == "Completed"
    assert "web waits" in scene.tidegate("timeline", "parted")


def test_an_approval_is_withdrawn_and_nobody_approves_their_own_wave(scene):
    approvers = [APPROVER, OPERATOR, "ops@example.com"]
    wave = scene.apply(plan("undone", gates=gates(approvers=approvers, quorum=2)))
    wave.until(is_open)
    with pytest.raises(Refused, match="somebody else has to approve it"):
        scene.tidegate("approve", "undone", "cutover", "--yes")
    scene.tidegate("approve", "undone", "cutover", "--yes", approving=True)
    assert cutover(wave.status())["approved_by"] == [APPROVER]
    scene.tidegate("withdraw", "undone", "cutover", approving=True)
    assert cutover(wave.status())["approved_by"] == []
    scene.tidegate("approve", "undone", "cutover", "--yes", approving=True)
    wave.approve_by_mail()
    assert wave.until_ended()["phase"] == "Completed"


def test_what_changes_materially_is_asked_again(scene):
    wave = scene.apply(plan("lapsed", gates=gates()))
    before = cutover(wave.until(is_open))["evidence"]
    scene.tidegate("skip", "lapsed", "lapsed02")
    shown = wave.until(lambda seen: is_open(seen) and cutover(seen)["evidence"] != before)
    assert cutover(shown)["shown"]["changed"][0].startswith("lapsed02 ")
    with pytest.raises(Refused, match="other evidence"):
        scene.tidegate("approve", "lapsed", "cutover", "--evidence", before, approving=True)
    scene.tidegate("approve", "lapsed", "cutover", "--yes", approving=True)
    assert wave.until_ended()["phase"] == "Completed"


def test_a_launch_template_that_changes_is_asked_about_again(scene):
    scene.choose_types("resized")
    wave = scene.apply(plan("resized", gates=gates()))
    before = cutover(wave.until(is_open))
    assert before["shown"]["warnings"] == []
    scene.resize("resized02", "m5.xlarge")
    shown = cutover(wave.until(lambda seen: is_open(seen) and cutover(seen)["evidence"] != before["evidence"]))["shown"]
    difference = "instance type was t3.medium, is m5.xlarge"
    assert shown["changed"] == [f"resized02 would be launched otherwise: {difference}"]
    assert shown["warnings"] == [f"Would be launched otherwise than tested: {difference}: resized02."]
    assert difference in scene.tidegate("status", "resized")
    scene.tidegate("approve", "resized", "cutover", "--yes", approving=True)
    assert wave.until_ended()["phase"] == "Completed"


def test_a_failed_check_is_waived_with_a_reason(scene):
    wave = scene.apply(plan("waived", gates=gates()))
    wave.until(lambda seen: seen["held"])
    with pytest.raises(Refused, match="reason"):
        scene.tidegate("waive", "waived", "waived01", "--check", "Tidegate-CheckPort", "--reason", " ")
    scene.tidegate("waive", "waived", "waived01", "--check", "Tidegate-CheckPort", "--reason", "the port opens at noon")
    shown = cutover(wave.until(is_open))["shown"]
    assert [waived["reason"] for waived in shown["waived"]] == ["the port opens at noon"]
    scene.tidegate("approve", "waived", "cutover", "--yes", approving=True)
    assert wave.until_ended()["phase"] == "Completed"
