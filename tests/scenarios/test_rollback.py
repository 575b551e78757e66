"""Waves that are undone after their cutover, with the local EC2 looked at by a client of our own."""

import json

from .wave import plan

SCENARIOS = {"undone": 2, "silence": 1}


def instances(scene, scenario: str) -> dict[str, str]:
    """The states of a scenario's instances."""
    ours = {server["sourceServerID"] for server in scene.source_servers(scenario)}
    reservations = scene.sandbox.client("ec2").describe_instances()["Reservations"]
    return {
        instance["InstanceId"]: instance["State"]["Name"] for reservation in reservations for instance in reservation["Instances"]
        if ours & {tag["Value"] for tag in instance.get("Tags", [])}
    }


def test_a_wave_that_soaks_is_rolled_back(scene):
    gates = plan("undone")["gates"]
    gates["finalize"]["after_soak"] = "1h"
    wave = scene.apply(plan("undone", gates=gates))
    wave.approve_by_mail()
    wave.until_phase("Soaking")
    running = {name for name, state in instances(scene, "undone").items() if state == "running"}
    assert len(running) == 2

    said = scene.tidegate("rollback", "undone", "--note", "orders are slow")
    assert "told to roll back" in said
    end = wave.until_ended()
    assert end["phase"] == "RolledBack"
    assert {server["stage"] for server in end["servers"]} == {"rolled back"}

    assert {server["lifeCycle"]["state"] for server in scene.source_servers("undone")} == {"READY_FOR_CUTOVER"}
    assert {state for name, state in instances(scene, "undone").items() if name in running} == {"terminated"}
    snapshots = scene.sandbox.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    kept = {tag["Value"] for snapshot in snapshots for tag in snapshot.get("Tags", []) if tag["Key"] == "tidegate:instance"}
    assert kept >= running, "the data of both is kept"
    timeline = [entry["event"] for entry in json.loads(scene.tidegate("timeline", "undone", "--json"))]
    order = [event for event in timeline if event in ("TargetQuiesced", "TargetStopped", "DataKept", "SourceRestarted")]
    for earlier, later in (("TargetQuiesced", "TargetStopped"), ("TargetStopped", "DataKept"), ("DataKept", "SourceRestarted")):
        assert order.index(earlier) < order.index(later), order

    scene.mailbox.fetch()
    told = [message for message in scene.mailbox.messages if message.attributes.get("kind") == "wave_rolled_back"]
    assert told and "snap-" in told[-1].text, told


def test_silence_at_the_finalize_gate_rolls_back_where_the_plan_says_so(scene):
    gates = plan("silence")["gates"]
    gates["finalize"] = {
        "after_soak": "1s", "approvers": ["ops@example.com"], "quorum": 1, "expires": "3s", "on_expiry": "roll_back",
    }
    wave = scene.apply(plan("silence", gates=gates))
    wave.approve_by_mail()
    assert wave.until_ended()["phase"] == "RolledBack"
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("silence")} == {"READY_FOR_CUTOVER"}
