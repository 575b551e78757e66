"""Each function names at once every setting that is missing or wrong, and does not start."""

import re
import subprocess

import pytest

from sandbox.local.layout import FUNCTIONS, REPOSITORY, binary

READ = re.compile(r'environment\s*\.(\w+)\(\s*"(TIDEGATE_\w+)"')
MAY_BE_MISSING = {"number", "parameter", "stand_in"}


def read_by(function: str) -> dict[str, str]:
    """The settings that `main.rs` reads, each with the reader that it is read by."""
    main = (REPOSITORY / "functions" / function / "src" / "main.rs").read_text()
    read = {name: reader for reader, name in READ.findall(main)}
    assert set(read) == set(re.findall(r'"(TIDEGATE_\w+)"', main)), "each is read from the environment"
    return read


def named(function: str, environment: dict[str, str], problem: str) -> set[str]:
    """The settings that the function's one line on its environment names."""
    ended = subprocess.run([binary(function)], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    lines = [line for line in ended.stdout.splitlines() if "the environment is incomplete" in line]
    assert len(lines) == 1, ended
    return set(re.findall(rf"(TIDEGATE_\w+) is {problem}", lines[0]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_that_is_missing_is_named(function):
    needed = {name for name, reader in read_by(function).items() if reader not in MAY_BE_MISSING}
    assert "TIDEGATE_TABLE" in needed
    assert named(function, {}, "not set") == needed


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_that_is_wrong_is_named(function):
    read = read_by(function)
    assert named(function, dict.fromkeys(read, "no setting"), r'\\?"no setting') == set(read)
