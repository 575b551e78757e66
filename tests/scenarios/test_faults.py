"""A wave while everything that may fail does."""

from sandbox.local.accident import Accident
from sandbox.local.sandbox import FAULTS as DEMO_FAULTS

from .wave import plan

SCENARIOS = {"stormy": 6}
FAULTS = [fault for fault in DEMO_FAULTS if "app0" not in fault] + [
    "launch-failure=stormy02:1", "command=Tidegate-CheckPort:stormy03:1:failed",
]


def test_a_wave_with_lost_events_throttling_failures_and_a_dead_function_completes(scene):
    accident = Accident(scene.sandbox)
    accident.start()
    wave = scene.apply(plan("stormy"))
    wave.until_phase("AwaitingCutover", seconds=150)
    wave.approve_by_mail()
    end = wave.until_ended(150)
    assert end["phase"] == "Completed"
    assert {server["lifeCycle"]["state"] for server in scene.source_servers("stormy")} == {"CUTOVER"}
    retried = next(server for server in end["servers"] if server["hostname"] == "stormy02")
    assert retried["tests"] + retried["cutovers"] >= 3
    assert accident.killed, "a function was killed in the middle of its call"
    happened = scene.tidegate("timeline", "stormy")
    assert "The test of stormy02 failed" in happened
    assert "Tidegate-CheckPort failed on stormy03" in happened
