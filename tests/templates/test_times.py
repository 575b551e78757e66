"""Times on which the template and the domain have to agree."""

import re
from pathlib import Path

from .test_powers import CONTENT, RESOURCES

ROOT = Path(__file__).resolve().parents[2]


def test_a_decision_arrives_as_long_as_its_console_lives():
    source = (ROOT / "shared" / "domain" / "src" / "gate.rs").read_text()
    arrives = int(re.search(r"ARRIVES_WITHIN: SignedDuration = SignedDuration::from_secs\((\d+)\)", source)[1])
    console = RESOURCES["ConsoleFunction"]["Properties"]
    timeout = console.get("Timeout", CONTENT["Globals"]["Function"]["Timeout"])
    assert timeout + 10 <= arrives, "clocks differ a little"
