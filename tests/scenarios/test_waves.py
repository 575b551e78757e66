"""Waves that go as they should, by every way in and out that a person has."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.local.layout import binary
from sandbox.local.page import follow
from tests.processes import LOOPBACK, family, listening

from .wave import Refused, plan

SCENARIOS = {"missed": 2, "happy": 4, "aborted": 2, "expired": 2, "rejected": 2, "held": 2, "again": 2}


def test_a_wave_runs_from_ready_to_finalized(scene):
    before = scene.calls()
    wave = scene.apply(plan("happy", start={"on": "manual"}))
    wave.until_phase("Waiting")
    scene.tidegate("start", "happy")
    wave.until_phase("AwaitingCutover")
    wave.approve_by_mail()
    end = wave.until_ended()
    assert end["phase"] == "Completed"
    assert not wave.drivers()

    servers = scene.source_servers("happy")
    assert {server["lifeCycle"]["state"] for server in servers} == {"CUTOVER"}
    jobs = [job for job in scene.jobs() if {s["sourceServerID"] for s in servers} & {s["sourceServerID"] for s in job["participatingServers"]}]
    for kind in ("START_TEST", "START_CUTOVER"):
        launched = [s["sourceServerID"] for job in jobs if job["initiatedBy"] == kind for s in job["participatingServers"]]
        assert sorted(launched) == sorted(server["sourceServerID"] for server in servers), kind
    assert all(job["tags"] for job in jobs)

    calls = {name: count - before.get(name, 0) for name, count in scene.calls().items()}
    changes = sum(count for name, count in calls.items() if not name.startswith(("Describe", "List", "Get", "SendCommand")))
    assert changes <= 2.3 * len(servers) + 3, calls


def test_an_aborted_wave_leaves_its_servers_ready_to_be_tested(scene):
    wave = scene.apply(plan("aborted"))
    wave.until_phase("AwaitingCutover")
    scene.tidegate("abort", "aborted")
    end = wave.until_ended()
    assert end["phase"] == "Aborted"
    assert not wave.drivers()
    assert not [job for job in scene.jobs() if job["status"] != "COMPLETED"]
    instances = scene.sandbox.client("ec2").describe_instances()["Reservations"]
    ours = {server["sourceServerID"] for server in scene.source_servers("aborted")}
    running = [
        instance for reservation in instances for instance in reservation["Instances"]
        if instance["State"]["Name"] in ("pending", "running")
        and ours & {tag["Value"] for tag in instance.get("Tags", [])}
    ]
    assert not running
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("aborted")} == {"READY_FOR_TEST"}


def test_a_gate_that_expires_holds_the_wave_and_names_what_releases_it(scene):
    gates = plan("expired")["gates"]
    gates["cutover"]["expires"] = "3s"
    wave = scene.apply(plan("expired", gates=gates))
    stale = wave.link()
    hold = wave.until(lambda seen: seen["held"])["hold"]
    assert "expired" in hold["reason"]
    with_stale = follow_or_status(stale)
    assert with_stale != 200
    assert wave.status()["phase"] == "AwaitingCutover"
    released = [command for command, _ in hold["commands"] if command.startswith("tidegate resume")]
    assert released, hold
    # However slow this machine is, the second time is enough.
    gates["cutover"]["expires"] = "7d"
    scene.apply(plan("expired", gates=gates))
    wave.command(released[0])
    wave.until(lambda seen: not seen["held"])
    fresh = wave.until(lambda _: wave.link() != stale) and wave.link()
    status, page = follow(fresh)
    assert status == 200, page
    assert wave.until_ended()["phase"] == "Completed"


def test_a_missed_window_is_finished_by_what_its_hold_names(scene):
    def window(closes: datetime) -> dict:
        opens = closes - timedelta(hours=2)
        return {"opens": opens.strftime("%Y-%m-%dT%H:%M:%S"), "lasts": "2h", "time_zone": "UTC"}

    closes = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
    missed = plan("missed", window=window(closes))
    wave = scene.apply(missed)
    link = wave.link()
    wave.until(lambda _: datetime.now(UTC) >= closes)
    assert follow(link)[0] == 200
    hold = wave.until(lambda seen: seen["held"])["hold"]
    apply, resume = (command for command, _ in hold["commands"][:2])
    assert apply == "tidegate apply FILE", hold
    # The plan as it is, and a change of something else, are taken though the window is over.
    scene.apply(missed)
    changed = missed | {"policy": missed["policy"] | {"attempts": 2}}
    scene.apply(changed)
    scene.apply(changed | {"window": window(closes + timedelta(hours=1))})
    assert wave.status()["held"]
    wave.command(resume)
    fresh = wave.until(lambda _: wave.link() != link) and wave.link()
    assert follow(fresh)[0] == 200
    assert wave.until_ended()["phase"] == "Completed"


def follow_or_status(link: str) -> int:
    """The status of a link that may no longer show a form."""
    import urllib.error

    try:
        return follow(link)[0]
    except urllib.error.HTTPError as error:
        return error.code
    except LookupError:
        return 0


def test_a_rejected_cutover_is_not_launched(scene):
    wave = scene.apply(plan("rejected"))
    status, _ = follow(wave.link(), "reject")
    assert status == 200
    wave.until(lambda seen: seen["held"] or seen["ended"])
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("rejected")} <= {
        "READY_FOR_CUTOVER", "TESTING", "READY_FOR_TEST",
    }


def test_a_link_counts_once_and_a_forged_one_never(scene):
    wave = scene.apply(plan("again"))
    link = wave.link()
    forged = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert follow_or_status(forged) != 200
    assert wave.status()["phase"] == "AwaitingCutover"
    assert follow(link)[0] == 200
    follow_or_status(link)
    end = wave.until_ended()
    assert end["phase"] == "Completed"
    gate = next(gate for gate in end["gates"] if gate["gate"] == "cutover")
    assert len(gate["approved_by"]) == 1


def test_a_held_wave_starts_nothing_new_until_it_is_resumed(scene):
    wave = scene.apply(plan("held", start={"on": "manual"}))
    scene.tidegate("hold", "held")
    wave.until(lambda seen: seen["held"])
    scene.tidegate("start", "held")
    # Its driver has counted the start, looked at the servers again, and leaves it at that.
    counted = wave.until(lambda seen: "The wave is started." in scene.tidegate("timeline", "held"))
    assert counted["held"]
    mails = [message.attributes for message in scene.mailbox.messages if message.attributes.get("wave") == "held"]
    assert "wave_started" not in {attributes["kind"] for attributes in mails}
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("held")} == {"READY_FOR_TEST"}
    scene.tidegate("resume", "held")
    wave.until_phase("AwaitingCutover")
    wave.approve_by_mail()
    assert wave.until_ended()["phase"] == "Completed"


def test_the_aws_cli_works_with_the_file_to_source(scene, tmp_path):
    aws = Path(sys.executable).with_name("aws")
    ask = f"\"{aws}\" mgn describe-source-servers --query 'items[].sourceServerID' --output json"
    done = subprocess.run(
        ["bash", "-c", f'source "{scene.sandbox.layout.environment}" && {ask}'],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {server["sourceServerID"] for server in scene.source_servers("")}


def test_everything_listens_on_127_0_0_1_alone(scene):
    for child in scene.sandbox.children:
        assert listening({child.process.pid}) == {LOOPBACK}, child.name
    # With the functions; this command calls one.
    scene.tidegate("status")
    members = family(os.getpid())
    programs = {Path(f"/proc/{pid}/exe").resolve() for pid in members}
    assert {binary("mgn-sim").resolve(), binary("console").resolve()} <= programs
    assert listening(members) == {LOOPBACK}


@pytest.mark.parametrize("command", [["status", "nobody"], ["start", "nobody"], ["hold", "nobody"], ["approve", "nobody", "cutover"]])
def test_a_wave_that_does_not_exist_is_named(scene, command):
    with pytest.raises(Refused, match="nobody"):
        scene.tidegate(*command)
