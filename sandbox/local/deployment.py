"""Deploys `infra/` as it is into the local AWS: packaged by the AWS CLI, parameters aside."""

import shutil
import subprocess
import time
from pathlib import Path

from .layout import FUNCTIONS, REPOSITORY, Layout, binary, tool
from .processes import SandboxError
from .stand_ins import Endpoints, clean_environment

STACK = "tidegate"
BUCKET = "artifacts"

PARAMETERS = {
    "Architecture": "x86_64",
    "SettleSeconds": "0",
    "LeaseSeconds": "10",
    "ActTimeoutSeconds": "20",
    "DeletionProtection": "false",
    "LogRetentionDays": "1",
    # The local IAM does not know the tags of instances.
    "ManagedTargetsOnly": "false",
}


def write_bootstraps(layout: Layout, programs: dict[str, Path]) -> None:
    """Puts where CodeUri points what a deployment package holds: a `bootstrap`, here two lines long,
    so that no binary is zipped. A function's output goes to a log file of its own."""
    for name in FUNCTIONS:
        program = programs.get(name, binary(name))
        if not program.exists():
            raise SandboxError(f"{program} is not there: run `make build`")
        directory = layout.build / "functions" / name
        directory.mkdir(parents=True, exist_ok=True)
        bootstrap = directory / "bootstrap"
        bootstrap.write_text(f'#!/bin/sh\nexec "{program}" >>"{layout.logs}/{name}.log" 2>&1\n')
        bootstrap.chmod(0o755)


def package(layout: Layout, endpoints: Endpoints) -> str:
    """Uploads what the template refers to, and returns the address of the packaged template."""
    shutil.rmtree(layout.infra, ignore_errors=True)
    shutil.copytree(REPOSITORY / "infra", layout.infra)
    store = endpoints.client("s3")
    store.create_bucket(Bucket=BUCKET)
    packaged = layout.root / "packaged.yaml"
    done = subprocess.run(
        [tool("aws"), "cloudformation", "package", "--template-file", str(layout.infra / "template.yaml"),
         "--s3-bucket", BUCKET, "--output-template-file", str(packaged)],
        env=clean_environment(layout) | endpoints.variables(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise SandboxError(f"aws cloudformation package failed:\n{done.stdout}{done.stderr}")
    store.upload_file(str(packaged), BUCKET, "template.yaml")
    return f"{endpoints.aws}/{BUCKET}/template.yaml"


def deploy(layout: Layout, endpoints: Endpoints, overrides: dict[str, str]) -> dict[str, str]:
    """Creates the stack and returns its outputs."""
    template = package(layout, endpoints)
    stacks = endpoints.client("cloudformation")
    parameters = PARAMETERS | {
        "ConsoleUrlPrefix": f"{endpoints.aws}/_aws/execute-api/",
        "ConsoleUrlSuffix": "/$default",
    } | overrides
    stacks.create_stack(
        StackName=STACK,
        TemplateURL=template,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    deadline = time.monotonic() + 60
    while True:
        stack = stacks.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if stack["StackStatus"] != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            raise SandboxError(f"the stack is {stack['StackStatus']}:\n{failures(stacks)}")
        time.sleep(0.1)


def lock_audit_records(store, bucket: str) -> None:
    """MiniStack's CloudFormation (1.5.33) leaves Object Lock out; its S3 has it."""
    retention = {"Mode": "COMPLIANCE", "Days": 1}
    store.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    )


def failures(stacks) -> str:
    """Why resources could not be made."""
    events = stacks.describe_stack_events(StackName=STACK)["StackEvents"]
    return "\n".join(
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events if event["ResourceStatus"].endswith("FAILED")
    )
