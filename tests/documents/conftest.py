"""Runs the scripts of the SSM documents the way the agent does: parameters checked against the
document, put into the text, the text run by `sh`."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

DOCUMENTS = Path(__file__).resolve().parents[2] / "infra" / "documents"
NAMES = sorted(path.stem for path in DOCUMENTS.glob("*.yaml"))


class RefusedParameter(Exception):
    """SSM answers SendCommand with InvalidParameters."""


@dataclass
class Document:
    """One document file."""

    name: str
    content: dict

    def script(self, platform: str) -> str:
        """The text for `Linux` or `Windows`, its parameters still open."""
        for step in self.content["mainSteps"]:
            if step["precondition"]["StringEquals"] == ["platformType", platform]:
                return "\n".join(step["inputs"]["runCommand"])
        raise LookupError(platform)

    def fill(self, platform: str, parameters: dict[str, list[str]]) -> str:
        """Puts parameters in as SSM does: a String as it is, a StringList as JSON."""
        declared = self.content["parameters"]
        if unknown := set(parameters) - set(declared):
            raise RefusedParameter(f"unknown: {unknown}")
        text = self.script(platform)
        for name, declaration in declared.items():
            values = parameters.get(name) or ([declaration["default"]] if "default" in declaration else None)
            if values is None:
                raise RefusedParameter(f"missing: {name}")
            for value in values:
                if not re.fullmatch(declaration["allowedPattern"], value):
                    raise RefusedParameter(f"{name}: {value!r}")
            if declaration["type"] == "StringList":
                if not declaration["minItems"] <= len(values) <= declaration["maxItems"]:
                    raise RefusedParameter(f"{name}: {len(values)} values")
                filled = json.dumps(values, separators=(",", ":"))
            else:
                (filled,) = values
            text = re.sub(r"\{\{\s*" + name + r"\s*\}\}", lambda _: filled, text)
        return text


def document(name: str) -> Document:
    """Reads a document by its file's name."""
    return Document(name, yaml.safe_load((DOCUMENTS / f"{name}.yaml").read_text()))


@dataclass
class Outcome:
    """What SSM shows of an invocation."""

    status: int
    output: str
    error: str


@pytest.fixture(params=["sh", "bash"])
def run(request, tmp_path, monkeypatch):
    """Runs a document's Linux script with a PATH that tests can put stand-ins into. `directories` says
    where to look instead of in those that the script names."""

    def runner(
        name: str, /, programs: str | None = None, directories: dict[str, str] | None = None, **parameters: list[str]
    ) -> Outcome:
        script = tmp_path / "_script.sh"
        text = document(name).fill("Linux", parameters)
        for named, instead in (directories or {}).items():
            text = text.replace(named, instead)
        script.write_text(text)
        environment = {"PATH": programs or f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin", "STATE": str(tmp_path)}
        shell = f"/bin/{request.param}"
        done = subprocess.run(
            [shell, str(script)], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    (tmp_path / "bin").mkdir(exist_ok=True)
    return runner


@pytest.fixture
def stand_in(tmp_path):
    """Puts a program into the PATH of scripts."""

    def put(name: str, text: str) -> None:
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}")
        program.chmod(0o755)

    return put


@pytest.fixture
def bare(tmp_path):
    """Makes a PATH with these programs of the machine and no others, so that a script takes the branch
    for them."""

    def make(*programs: str) -> str:
        directory = tmp_path / "bare"
        directory.mkdir(exist_ok=True)
        for program in programs:
            found = shutil.which(program)
            assert found, f"{program} is not there: run `make setup`"
            (directory / program).symlink_to(found)
        return str(directory)

    return make
