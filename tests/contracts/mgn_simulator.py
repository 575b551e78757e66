"""Runs the binary `mgn-sim` for a test, and waits until it listens; what it simulates, by operation."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.session
from botocore.config import Config

from sandbox.local.layout import REPOSITORY
from sandbox.local.processes import DIRECT

REGION = "us-east-1"
ACCOUNT = "000000000000"
MODEL = json.loads((REPOSITORY / "sandbox" / "mgn-sim" / "model" / "mgn-2020-02-26.json").read_text())

# What MGN has and the simulator answers with 501, each with an input that MGN would take.
NOT_SIMULATED = {
    "CreateRemoteSourceAction": {"name": "a", "ssmParameterName": "a"},
    "DeleteRemoteSourceAction": {"remoteSourceActionID": "rsa-0123456789abcdef0"},
    "DeleteVcenterClient": {"vcenterClientID": "vcc-0123456789abcdef0"},
    "ListExportErrors": {"exportID": "export-0123456789abcdef0"},
    "ListImportErrors": {"importID": "import-0123456789abcdef0"},
    "ListRemoteSourceActionInvocationResults": {"sourceServerID": "s-0123456789abcdef0"},
    "ListRemoteSourceActionInvocations": {"remoteSourceActionJobID": "rsajob-0123456789abcdef0"},
    "StartExport": {"s3Bucket": "bucket", "s3Key": "a.csv"},
    "StartImport": {"s3BucketSource": {"s3Bucket": "bucket", "s3Key": "a.csv"}},
    "StartRemoteSourceActionJob": {
        "connectorArn": f"arn:aws:mgn:{REGION}:{ACCOUNT}:connector/connector-0123456789abcdef0",
        "remoteSourceActionArns": [f"arn:aws:mgn:{REGION}:{ACCOUNT}:remote-source-action/rsa-0123456789abcdef0"],
        "sourceServerArns": [f"arn:aws:mgn:{REGION}:{ACCOUNT}:source-server/s-0123456789abcdef0"],
    },
    "UpdateRemoteSourceAction": {"remoteSourceActionID": "rsa-0123456789abcdef0"},
}


def newest_model(session: botocore.session.Session) -> None:
    """Teaches a session the operations of MGN that the simulator's model has and the session's own has
    not yet."""
    taught = session.get_component("data_loader").load_service_model("mgn", "service-2")
    for name in MODEL["operations"].keys() - taught["operations"].keys():
        operation = MODEL["operations"][name]
        assert operation["path"] == f"/{name}", "a member in a path would have to be told, and the model does not"
        http = {"method": operation["method"], "requestUri": operation["path"], "responseCode": operation["status"]}
        shapes = {side: {"shape": operation[side]} for side in ("input", "output") if side in operation}
        taught["operations"][name] = {"name": name, "http": http} | shapes
    for name in MODEL["shapes"].keys() - taught["shapes"].keys():
        shape = MODEL["shapes"][name]
        members = {member: {"shape": named} for member, named in shape.get("members", {}).items()}
        elements = {key: {"shape": shape[key]} for key in ("member", "key", "value") if key in shape}
        taught["shapes"][name] = shape | elements | {"members": members}


def binary() -> Path:
    """Where `mgn-sim` is: MGN_SIM_BIN, or cargo's target directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or cache / "tidegate" / "target")
    return Path(os.environ.get("MGN_SIM_BIN") or target / "debug" / "mgn-sim")


class Simulator:
    """A running simulator: its URL, and clients of it."""

    def __init__(self, *arguments: str) -> None:
        program = binary()
        if not program.exists():
            raise FileNotFoundError(f"{program} is not there: run `make build`")
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"},
        )
        line = self.process.stdout.readline()
        if "listens on" not in line:
            raise RuntimeError(f"mgn-sim did not start: {line!r}")
        self.url = line.split()[-1]

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def client(self, service: str):
        """A boto3 client that tries once."""
        session = botocore.session.Session()
        newest_model(session)
        return boto3.session.Session(botocore_session=session).client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            # The simulator, not the client, is to say what is wrong.
            config=Config(retries={"total_max_attempts": 1}, proxies={}, parameter_validation=False),
        )

    def control(self, what: str, **members: str) -> dict:
        """`POST /_sim/…`, as `mgn-sim --help` lists it."""
        with DIRECT.open(f"{self.url}/_sim/{what}", json.dumps(members).encode()) as answer:
            return json.load(answer)

    def operations(self, service: str) -> set[str]:
        """What it simulates of MGN or SSM."""
        if service == "mgn":
            return set(MODEL["operations"]) - set(NOT_SIMULATED)
        known = botocore.session.Session().get_service_model(service).operation_names
        return {operation for operation in known if self.knows(operation)}

    def knows(self, operation: str) -> bool:
        """Whether it has that operation of SSM: what it says of one is that the input is wrong, if it is."""
        headers = {"X-Amz-Target": f"AmazonSSM.{operation}"}
        try:
            with DIRECT.open(urllib.request.Request(self.url, b"{}", headers)):
                return True
        except urllib.error.HTTPError as refused:
            return json.load(refused)["__type"] != "UnknownOperationException"


def eventually(what, seconds: float = 20):
    """What `what` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {result!r} after {seconds} s")
        time.sleep(0.02)
