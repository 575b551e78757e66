"""The deployed state machine, with scripted functions: every `next`, every way an act can fail."""

import json

import pytest

from .conftest import until

WAKE_AT = "2026-11-21T06:00:00Z"
PARKED = {"turn": 1, "next": "park", "effects": [], "settle_seconds": 0, "wake_at": WAKE_AT}
DONE = {"turn": 2, "next": "done", "effects": [], "settle_seconds": 0, "wake_at": WAKE_AT}


def act(*effects: tuple[str, str]) -> dict:
    """What Advance returns when effects are open."""
    return {
        "turn": 1,
        "next": "act",
        "effects": [{"id": identifier, "kind": kind} for identifier, kind in effects],
        "settle_seconds": 0,
        "wake_at": WAKE_AT,
    }


def test_done_ends_the_execution_and_payloads_are_the_contract(stage):
    stage.script(observe=[{"wakes": 7}], advance=[DONE])
    wave, execution = stage.start(generation=3)
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert stage.calls("observe", wave) == [{"wave": wave, "generation": 3, "execution": execution}]
    assert stage.calls("advance", wave) == [{"wave": wave, "generation": 3, "execution": execution, "wakes": 7}]


def test_each_kind_reaches_its_function_with_its_effect(stage):
    kinds = ["prepare", "launch", "lifecycle", "validate", "gate", "finalize", "notify"]
    stage.script(observe=[{"wakes": 0}], advance=[act(*((f"1#{kind}", kind) for kind in kinds)), DONE])
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    for kind in kinds:
        assert stage.calls(kind, wave) == [{"wave": wave, "generation": 1, "effect": f"1#{kind}"}]
    assert len(stage.calls("observe", wave)) == 2


def test_one_effect_is_a_list_of_one(stage):
    stage.script(observe=[{"wakes": 0}], advance=[act(("1#0", "launch")), DONE])
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert [call["effect"] for call in stage.calls("launch", wave)] == ["1#0"]


def test_no_effects_to_act_on_is_no_failure(stage):
    stage.script(observe=[{"wakes": 0}], advance=[act(), DONE])
    _, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"


def test_a_failed_act_neither_blocks_nor_kills_the_others(stage):
    stage.script(
        observe=[{"wakes": 0}],
        advance=[act(("a", "launch"), ("b", "validate"), ("c", "notify"), ("d", "unheard-of")), DONE],
        launch=[{"error": "Permanent"}],
        validate=[{"exit": 3}],
    )
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert len(stage.calls("launch", wave)) == 1
    assert len(stage.calls("notify", wave)) == 1
    assert len(stage.calls("advance", wave)) == 2


def test_observe_and_advance_are_tried_again_on_retryable(stage):
    stage.script(
        observe=[{"error": "Retryable"}, {"wakes": 0}],
        advance=[{"error": "Retryable"}, {"exit": 1}, DONE],
    )
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert len(stage.calls("observe", wave)) == 2
    assert len(stage.calls("advance", wave)) == 3


def test_a_permanent_failure_of_advance_fails_the_execution(stage):
    stage.script(observe=[{"wakes": 0}], advance=[{"error": "Permanent"}])
    wave, execution = stage.start()
    end = stage.end_of(execution)
    assert (end["status"], end["error"]) == ("FAILED", "Permanent")
    assert len(stage.calls("advance", wave)) == 1


def test_an_unknown_next_fails_the_execution(stage):
    stage.script(observe=[{"wakes": 0}], advance=[DONE | {"next": "dance"}])
    _, execution = stage.start()
    assert stage.end_of(execution)["error"] == "UnknownNext"


def test_a_parked_driver_sleeps_until_its_token_comes_back(stage):
    stage.script(observe=[{"wakes": 5}], advance=[PARKED, DONE])
    wave, execution = stage.start()
    call = until(lambda: stage.calls("park", wave))[0]
    assert {key: call[key] for key in ("wave", "generation", "turn", "wakes", "wake_at")} == {
        "wave": wave, "generation": 1, "turn": 1, "wakes": 5, "wake_at": WAKE_AT,
    }
    assert len(stage.calls("observe", wave)) == 1
    stage.steps.send_task_success(taskToken=call["token"], output="{}")
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert len(stage.calls("observe", wave)) == 2


def test_a_nap_needs_no_waker(stage):
    stage.script(observe=[{"wakes": 5}], advance=[PARKED | {"next": "nap"}, DONE])
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert len(stage.calls("observe", wave)) == 2
    assert stage.calls("park", wave) == []


def test_a_renewed_driver_goes_on_under_the_next_generation(stage):
    stage.script(observe=[{"wakes": 0}], advance=[DONE | {"next": "renew"}, DONE])
    wave, execution = stage.start()
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    heir = until(lambda: stage.calls("advance", wave)[1:])[0]
    assert heir["generation"] == 2
    assert heir["execution"].endswith(f":{wave}-g2")
    assert stage.end_of(heir["execution"])["status"] == "SUCCEEDED"


def test_renewing_twice_makes_one_heir(stage):
    stage.script(observe=[{"wakes": 0}], advance=[DONE | {"next": "renew"}, DONE])
    wave, execution = stage.start()
    stage.end_of(execution)
    again = stage.steps.start_execution(
        stateMachineArn=stage.machine, name=f"{wave}-again", input=json.dumps({"wave": wave, "generation": 1})
    )
    assert stage.end_of(again["executionArn"])["status"] == "SUCCEEDED"


def test_a_driver_stopped_from_outside_is_aborted(stage):
    stage.script(observe=[{"wakes": 0}], advance=[PARKED])
    wave, execution = stage.start()
    until(lambda: stage.calls("park", wave))
    stage.steps.stop_execution(executionArn=execution)
    assert stage.end_of(execution)["status"] == "ABORTED"


def test_the_token_of_a_stopped_driver_is_worth_nothing(stage):
    stage.script(observe=[{"wakes": 0}], advance=[PARKED])
    wave, execution = stage.start()
    token = until(lambda: stage.calls("park", wave))[0]["token"]
    stage.steps.stop_execution(executionArn=execution)
    with pytest.raises(stage.steps.exceptions.TaskTimedOut):
        stage.steps.send_task_success(taskToken=token, output="{}")


def test_a_park_that_fails_for_a_moment_is_tried_again(stage):
    stage.script(observe=[{"wakes": 0}], advance=[PARKED, DONE], park=[{"error": "Retryable"}, {}])
    wave, execution = stage.start()
    call = until(lambda: stage.calls("park", wave)[1:])[0]
    stage.steps.send_task_success(taskToken=call["token"], output="{}")
    assert stage.end_of(execution)["status"] == "SUCCEEDED"


def test_a_driver_that_cannot_park_dozes_and_looks_again(stage):
    stage.script(observe=[{"wakes": 0}], advance=[PARKED, DONE], park=[{"error": "Permanent"}])
    wave, execution = stage.start()

    def dozes() -> bool:
        events = stage.steps.get_execution_history(executionArn=execution)["events"]
        return any(event.get("stateEnteredEventDetails", {}).get("name") == "Doze" for event in events)

    until(dozes)
    assert len(stage.calls("park", wave)) == 1
    stage.steps.stop_execution(executionArn=execution)
