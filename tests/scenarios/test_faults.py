"""A wave while everything that may fail does."""

from sandbox.local.sandbox import FAULTS as DEMO_FAULTS

from .wave import plan

SCENARIOS = {"stormy": 6}
FAULTS = [fault for fault in DEMO_FAULTS if "app0" not in fault] + ["launch-failure=stormy02:1"]


def test_a_wave_with_lost_events_throttling_and_failures_completes(scene):
    wave = scene.apply(plan("stormy"))
    wave.until_phase("AwaitingCutover", seconds=150)
    wave.approve_by_mail()
    end = wave.until_ended(150)
    assert end["phase"] == "Completed"
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("stormy")} == {"CUTOVER"}
    retried = next(server for server in end["servers"] if server["hostname"] == "stormy02")
    assert retried["tests"] + retried["cutovers"] >= 3
