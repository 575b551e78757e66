"""What all documents have in common: shape, names, limits, and that a parameter cannot become code."""

import re
from pathlib import Path

import pytest
import tree_sitter_powershell
import yaml
from tree_sitter import Language, Parser

from .conftest import DOCUMENTS, NAMES, RefusedParameter, document

POWERSHELL = Parser(Language(tree_sitter_powershell.language()))

# Values that a plan could name. Each would do something if it reached a shell as code.
HOSTILE = [
    "a; touch {proof}", "$(touch {proof})", "`touch {proof}`", "a\ntouch {proof}", "a' ; touch {proof}; '",
    'a" ; touch {proof}; "', "a\nTIDEGATE_VALUE\ntouch {proof}", "a\n'@\nNew-Item {proof}", "-rf", "a|touch {proof}",
    "a&&touch {proof}", "a>{proof}", "${{IFS}}touch", "a\\", "", " ", "\u2028touch {proof}", "ä",
]

SOUND = {
    "check-service": {"services": ["postgresql"]},
    "check-port": {"port": ["5432"]},
    "check-http": {"url": ["http://127.0.0.1/"]},
    "check-disk": {},
    "check-time-sync": {},
    "stop-services": {"services": ["postgresql"]},
    "start-services": {"services": ["postgresql"]},
}


def test_each_document_is_here_and_deployed_under_its_name():
    template = (DOCUMENTS.parent / "template.yaml").read_text()
    deployed = dict(
        re.findall(r"Name: (Tidegate-\w+)\n(?:.*\n)*?.*Location: documents/([\w-]+)\.yaml", template)
    )
    assert deployed == {f"Tidegate-{''.join(word.capitalize() for word in name.split('-'))}": name for name in NAMES}
    assert set(SOUND) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_document_has_both_platforms_and_fits_ssm(name):
    content = document(name).content
    assert content["schemaVersion"] == "2.2"
    assert [step["action"] for step in content["mainSteps"]] == ["aws:runShellScript", "aws:runPowerShellScript"]
    assert len((DOCUMENTS / f"{name}.yaml").read_bytes()) < 64 * 1024
    for parameter, declaration in content["parameters"].items():
        assert declaration["allowedPattern"].startswith("^") and declaration["allowedPattern"].endswith("$"), parameter
        if "default" in declaration:
            assert re.fullmatch(declaration["allowedPattern"], declaration["default"])
    for step in content["mainSteps"]:
        assert 30 <= int(step["inputs"]["timeoutSeconds"]) <= 172800


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("platform", ["Linux", "Windows"])
def test_every_placeholder_is_a_parameter_and_every_parameter_is_used(name, platform):
    script = document(name).script(platform)
    used = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", script))
    assert used == set(document(name).content["parameters"])


@pytest.mark.parametrize("name", NAMES)
def test_the_windows_script_parses(name):
    # No PowerShell runs here: the grammar is all that is checked.
    script = document(name).fill("Windows", SOUND[name])
    tree = POWERSHELL.parse(script.encode())
    assert not tree.root_node.has_error, first_error(tree.root_node, script)


def first_error(node, script: str) -> str:
    """Where the grammar gave up."""
    if node.type == "ERROR" or node.is_missing:
        return f"line {node.start_point[0] + 1}: {script.splitlines()[node.start_point[0]]}"
    return next((first_error(child, script) for child in node.children if child.has_error or child.is_missing), "?")


@pytest.mark.parametrize("name", NAMES)
def test_hostile_values_are_refused_by_ssm(name):
    for parameter in document(name).content["parameters"]:
        for value in HOSTILE:
            with pytest.raises(RefusedParameter):
                document(name).fill("Linux", SOUND[name] | {parameter: [value.format(proof="/tmp/x")]})


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["check-service", "stop-services", "start-services"])
def test_lists_stay_text_even_where_patterns_are_not_applied_to_lists(run, tmp_path, monkeypatch, name, value):
    proof = Path(tmp_path / "proof")
    monkeypatch.setattr("re.fullmatch", lambda *_: True)
    outcome = run(name, services=[value.format(proof=proof)], withinSeconds=["0"])
    assert not proof.exists()
    assert "touch" not in outcome.output


def test_yaml_is_what_the_template_includes():
    # AWS::Include takes no short forms and no anchors.
    for name in NAMES:
        text = (DOCUMENTS / f"{name}.yaml").read_text()
        assert yaml.safe_load(text)
        assert not [token for token in yaml.scan(text) if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken))]
