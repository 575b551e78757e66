"""The state machine file: what it carries, whom it calls, what it catches."""

import json
import re
from pathlib import Path

import pytest
import yaml

from .test_powers import PARAMETERS, RESOURCES

MACHINE = Path(__file__).resolve().parents[2] / "infra" / "statemachines" / "driver.asl.json"
TEXT = MACHINE.read_text()
STATES = json.loads(TEXT)["States"]
ACTS = STATES["Act"]["ItemProcessor"]["States"]
TASKS = {name: state for name, state in (STATES | ACTS).items() if state["Type"] == "Task"}

# `shared/aws` reports failures under these names; the state machine retries the first alone.
RETRYABLE, PERMANENT = "Retryable", "Permanent"


def test_each_substitution_is_given_and_used():
    used = set(re.findall(r"\$\{(\w+)\}", TEXT))
    assert used == set(RESOURCES["Driver"]["Properties"]["DefinitionSubstitutions"])


def test_each_kind_has_its_task_and_each_task_its_kind():
    kinds = {
        re.search(r"kind = '(\w+)'", choice["Condition"])[1]: choice["Next"] for choice in ACTS["Route"]["Choices"]
    }
    assert {next_state.lower() for next_state in kinds.values()} == set(kinds)
    assert set(kinds.values()) == {name for name, state in ACTS.items() if state["Type"] == "Task"}
    assert ACTS["Route"]["Default"] == "Noted"


@pytest.mark.parametrize("name", [name for name in ACTS if ACTS[name]["Type"] == "Task"])
def test_an_act_catches_its_own_failure_and_is_not_tried_again_after_its_own_errors(name):
    state = ACTS[name]
    assert state["Catch"] == [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "Noted"}]
    retried = {error for retry in state["Retry"] for error in retry["ErrorEquals"]}
    assert all(error.startswith("Lambda.") for error in retried)


@pytest.mark.parametrize("name", ["Observe", "Advance"])
def test_what_is_retryable_is_tried_again_and_what_is_permanent_is_not(name):
    retried = {error for retry in STATES[name]["Retry"] for error in retry["ErrorEquals"]}
    assert RETRYABLE in retried
    assert not retried & {PERMANENT, "States.ALL", "States.TaskFailed"}


def test_every_retry_is_bounded_and_every_task_ends():
    for name, state in TASKS.items():
        assert state["TimeoutSeconds"] <= 300, name
        for retry in state.get("Retry", []):
            assert retry["MaxAttempts"] <= 6, name
            assert retry.get("MaxDelaySeconds", 0) <= 20, name


def test_a_task_outlasts_its_function():
    longest = PARAMETERS["ActTimeoutSeconds"]["MaxValue"]
    functions = {key: value["Properties"] for key, value in RESOURCES.items() if value["Type"] == "AWS::Serverless::Function"}
    for name, state in TASKS.items():
        if name != "Renew":
            timeout = functions[f"{name}Function"].get("Timeout", 30)
            assert state["TimeoutSeconds"] > (longest if timeout == "ActTimeoutSeconds" else timeout)


def test_only_ids_counters_and_references_are_carried():
    carried = {key for state in STATES.values() for key in (state.get("Output") or {}) if isinstance(state.get("Output"), dict)}
    assert carried == {"wakes", "turn", "next", "effects", "settle_seconds", "wake_at"}


def test_json_and_yaml_agree_that_no_key_is_there_twice():
    # json.loads keeps the last of two equal keys; this does not.
    def once(pairs: list) -> dict:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), keys
        return dict(pairs)

    assert json.loads(TEXT, object_pairs_hook=once) == yaml.safe_load(TEXT)
