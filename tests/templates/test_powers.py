"""Least power, read from the template: which function may do what to MGN, SSM and EC2.

The table and the key are tried for real in `tests/driver/test_roles.py`; the simulator asks for no
rights, so these are compared word by word.
"""

from pathlib import Path

import yaml

from sandbox.local.layout import FUNCTIONS

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "template.yaml"


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each read as its plain value."""


Loader.add_multi_constructor(
    "!",
    lambda loader, _, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode)
    else loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode)
    else loader.construct_mapping(node, deep=True),
)

CONTENT = yaml.load(TEMPLATE.read_text(), Loader)
PARAMETERS, RESOURCES = CONTENT["Parameters"], CONTENT["Resources"]

# What each function may do to MGN and SSM, beyond looking. Nothing else may.
CHANGES = {
    "mgn:StartTest": {"launch"},
    "mgn:StartCutover": {"launch"},
    "mgn:TerminateTargetInstances": {"launch"},
    "mgn:TagResource": {"launch"},
    "mgn:ChangeServerLifeCycleState": {"lifecycle"},
    "mgn:RetryDataReplication": {"lifecycle"},
    "mgn:FinalizeCutover": {"finalize"},
    "ssm:SendCommand": {"validate"},
    "iam:PassRole": {"launch"},
    "ec2:StopInstances": {"launch"},
    "ec2:CreateSnapshot": {"launch"},
    "ec2:CreateTags": {"launch"},
}
LOOKS = ("Describe", "Get", "List")


def function(name: str) -> dict:
    """A function's properties."""
    return RESOURCES[f"{name.capitalize()}Function"]["Properties"]


def statements(name: str) -> list[dict]:
    """A function's statements, conditional ones included."""
    found = []
    for policy in function(name)["Policies"]:
        for statement in policy["Statement"] if isinstance(policy, dict) else []:
            found += [part for part in statement if isinstance(part, dict)] if isinstance(statement, list) else [statement]
    return found


def actions(name: str) -> set[str]:
    """Every action that a function's own statements allow."""
    allowed: set[str] = set()
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        allowed |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return allowed


def test_each_function_is_a_resource_of_its_name():
    there = {key.removesuffix("Function").lower() for key, value in RESOURCES.items() if value["Type"] == "AWS::Serverless::Function"}
    assert there == set(FUNCTIONS)


def test_no_action_is_a_pattern():
    assert not {action for name in FUNCTIONS for action in actions(name) if "*" in action}


def test_advance_reaches_the_table_and_nothing_else():
    assert {action.split(":")[0] for action in actions("advance")} == {"dynamodb"}
    assert all(statement["Resource"] == "Table.Arn" for statement in statements("advance"))


def test_each_change_has_its_one_function():
    found: dict[str, set[str]] = {}
    for name in FUNCTIONS:
        for action in actions(name):
            service, operation = action.split(":")
            if service in ("mgn", "ssm", "iam", "ec2") and not operation.startswith(LOOKS):
                found.setdefault(action, set()).add(name)
    assert found == CHANGES


def test_launch_settings_are_read_by_who_shows_them_and_changed_by_nobody():
    assert {"mgn:GetLaunchConfiguration", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions"} <= actions("observe")
    changing = ("mgn:UpdateLaunchConfiguration", "ec2:ModifyLaunchTemplate", "ec2:CreateLaunchTemplateVersion")
    assert not {name for name in FUNCTIONS if actions(name) & set(changing)}


def test_launch_stops_only_what_mgn_manages_and_tags_what_it_keeps():
    assert PARAMETERS["ManagedTargetsOnly"]["Default"] == "true"
    stops = next(s for s in statements("launch") if "ec2:StopInstances" in s["Action"])
    condition, managed, _ = stops["Condition"]
    assert condition == "StopsManagedTargetsOnly"
    assert managed == {"StringEquals": {"aws:ResourceTag/AWSApplicationMigrationServiceManaged": "mgn.amazonaws.com"}}
    snapshots = [s for s in statements("launch") if "ec2:CreateSnapshot" in s["Action"] and "snapshot" in s["Resource"]]
    assert all(s["Condition"] == {"StringLike": {"aws:RequestTag/tidegate:instance": "i-*"}} for s in snapshots) and snapshots


def test_only_export_writes_what_it_archives():
    writers = {name for name in FUNCTIONS if actions(name) & {"s3:PutObject", "events:PutEvents"}}
    assert writers == {"export"}
    assert not [action for name in FUNCTIONS for action in actions(name) if action.startswith("s3:Delete") or "Retention" in action]
    seals = {name for name in FUNCTIONS for s in statements(name) if s["Resource"] == "AuditKey.Arn" and "kms:GenerateMac" in s["Action"]}
    assert seals == {"export"}
    lock = RESOURCES["AuditBucket"]["Properties"]
    assert lock["ObjectLockEnabled"] and lock["VersioningConfiguration"]["Status"] == "Enabled"


def test_only_launch_has_a_managed_policy():
    managed = {name for name in FUNCTIONS for policy in function(name)["Policies"] if isinstance(policy, str)}
    assert managed == {"launch"}


def test_every_statement_on_the_table_names_its_partitions():
    for name in FUNCTIONS:
        for statement in statements(name):
            if statement["Resource"] == "Table.Arn":
                condition = statement["Condition"]
                assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
                assert all(key.endswith("#*") for key in condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])


def test_what_reaches_everything_is_known():
    # SAR knows no resource for these actions; an alarm or a look harms nobody.
    unbounded = {action for name in FUNCTIONS for s in statements(name) if s["Resource"] == "*" for action in s["Action"]}
    changing = {action for action in unbounded if not action.split(":")[1].startswith(LOOKS)}
    assert changing == {"states:SendTaskSuccess"}


def test_what_holds_state_outlives_the_stack():
    for name in ("Table", "SigningKey", "AuditKey", "AuditBucket", "DeadLetters"):
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
