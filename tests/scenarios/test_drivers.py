"""Drivers that die: the wave goes on from the table, whatever it was doing."""

from .wave import plan

SCENARIOS = {"killed": 3, "pestered": 3}
# Phases that would pass between two looks.
FAULTS = ["slow=1:4s:GetLaunchConfiguration:x3", "slow=1:4s:FinalizeCutover:x2"]

PHASES = ["Waiting", "Preflight", "Testing", "AwaitingCutover", "CuttingOver", "Soaking", "AwaitingFinalize", "Finalizing"]


def test_a_driver_stopped_in_each_phase_is_replaced(scene):
    gates = plan("killed")["gates"]
    people = gates["cutover"]["approvers"] + ["iam:arn:aws:iam::000000000000:user/approver"]
    gates["finalize"] = gates["cutover"] | {"after_soak": "4s", "approvers": people}
    wave = scene.apply(plan("killed", gates=gates, start={"on": "manual"}))
    killed: dict[str, str] = {}
    started = approved = False

    def step(seen: dict) -> bool:
        nonlocal started, approved
        assert not seen["held"], seen["hold"]
        phase = seen["phase"]
        if phase not in killed and phase in PHASES and (execution := wave.kill_driver()):
            killed[phase] = execution
        if phase == "Waiting" and "Waiting" in killed and not started:
            scene.tidegate("start", "killed")
            started = True
        if phase == "AwaitingCutover" and phase in killed and not approved:
            wave.approve_by_mail()
            approved = True
        if phase == "AwaitingFinalize" and phase in killed and finalize_is_open(seen):
            scene.tidegate("approve", "killed", "finalize", "--yes", approving=True)
        return seen["ended"]

    assert wave.until(step, 150)["phase"] == "Completed"
    assert list(killed) == PHASES
    launched = [s["sourceServerID"] for job in scene.jobs() if job["initiatedBy"] == "START_CUTOVER" for s in job["participatingServers"]]
    assert len(launched) == len(set(launched)) == 3


def finalize_is_open(seen: dict) -> bool:
    """Whether the finalize gate asks."""
    return any(gate["gate"] == "finalize" and gate["state"] == "open" for gate in seen["gates"])


def test_a_driver_killed_again_and_again_still_finishes(scene):
    wave = scene.apply(plan("pestered"))
    looks = approved = 0

    def step(seen: dict) -> bool:
        nonlocal looks, approved
        assert not seen["held"], seen["hold"]
        looks += 1
        if looks % 12 == 0 and looks < 120:
            wave.kill_driver()
        if seen["phase"] == "AwaitingCutover" and not approved:
            approved = 1
            wave.approve_by_mail()
        return seen["ended"]

    assert wave.until(step, 180)["phase"] == "Completed"
