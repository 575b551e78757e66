"""Times on which the template and the domain have to agree."""

import re
from pathlib import Path

from .test_powers import CONTENT, PARAMETERS, RESOURCES

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / "sandbox" / "world" / "src" / "cloud.rs"
LEASE, SETTLE = "TIDEGATE_LEASE_SECONDS", "TIDEGATE_SETTLE_SECONDS"


def seconds(setting: object) -> int:
    """A number of seconds, or the default of the parameter of that name."""
    return PARAMETERS[setting]["Default"] if isinstance(setting, str) else setting


def timeout(function: str) -> int:
    """How long a function may take as the template deploys it."""
    properties = RESOURCES[f"{function}Function"]["Properties"]
    return seconds(properties.get("Timeout", CONTENT["Globals"]["Function"]["Timeout"]))


def deployed(variable: str) -> set[int]:
    """What that variable is set to, over all functions that have it."""
    functions = [r["Properties"] for r in RESOURCES.values() if r["Type"] == "AWS::Serverless::Function"]
    settings = [f.get("Environment", {}).get("Variables", {}) for f in functions]
    return {seconds(variables[variable]) for variables in settings if variable in variables}


def test_a_decision_arrives_as_long_as_its_console_lives():
    source = (ROOT / "shared" / "domain" / "src" / "gate.rs").read_text()
    arrives = int(re.search(r"ARRIVES_WITHIN: SignedDuration = SignedDuration::from_secs\((\d+)\)", source)[1])
    assert timeout("Console") + 10 <= arrives, "clocks differ a little"


def test_the_simulated_functions_time_out_as_the_deployed_ones():
    source = (CLOUD.parent / "cloud" / "functions.rs").read_text()
    body = re.search(r"pub fn timeout\(self\).*?\{(.*?)\n    }\n", source, re.DOTALL)[1]
    arms = re.findall(r"((?:\|?\s*Self::\w+\s*)+)=>\s*\{?\s*SignedDuration::from_secs\((\d+)\)", body)
    simulated = {name: int(secs) for names, secs in arms for name in re.findall(r"Self::(\w+)", names)}
    assert len(simulated) == len(re.findall(r"Self::\w+", body)) > 0, "an arm is not understood"
    assert simulated == {name: timeout(name) for name in simulated}


def test_the_simulated_driver_keeps_the_deployed_times():
    source = CLOUD.read_text()
    lease = re.search(r"LEASE: SignedDuration = SignedDuration::from_secs\((\d+)\)", source)[1]
    settle = re.search(r"SETTLE_SECONDS: u32 = (\d+)", source)[1]
    assert deployed(LEASE) == {int(lease)}
    assert deployed(SETTLE) == {int(settle)}
