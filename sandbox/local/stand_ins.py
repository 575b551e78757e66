"""What stands in for AWS: MiniStack, and the MGN simulator beside it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from .layout import REPOSITORY, Layout
from .processes import NO_PERSONAL_FILES, Child, SandboxError, free_port

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class Endpoints:
    """Where the stand-ins listen."""

    aws: str
    simulator: str

    @staticmethod
    def choose() -> "Endpoints":
        """Two free ports."""
        return Endpoints(f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}")

    def variables(self) -> dict[str, str]:
        """What every AWS SDK reads."""
        return {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ENDPOINT_URL_MGN": self.simulator,
            "AWS_ENDPOINT_URL_SSM": self.simulator,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str):
        """A boto3 client with all rights, as the variables above direct it."""
        return self.local_client(service, self.simulator if service in ("mgn", "ssm") else self.aws)

    def local_client(self, service: str, endpoint: str | None = None):
        """A boto3 client of the local AWS itself, which ignores the person's own AWS configuration."""
        return boto3.session.Session().client(
            service,
            region_name=REGION,
            endpoint_url=endpoint or self.aws,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="sandbox",
            config=Config(
                read_timeout=70, retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}
            ),
        )


def clean_environment(layout: Layout) -> dict[str, str]:
    """The little that a process needs. Functions get MiniStack's whole environment, so nothing of
    the person's own (credentials, proxies, profiles) may be in it."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(layout.root),
        "TMPDIR": str(layout.temporary),
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_EC2_METADATA_DISABLED": "true",
    } | NO_PERSONAL_FILES


def start_ministack(layout: Layout, endpoints: Endpoints, settings: dict[str, str], roles: bool) -> Child:
    """Starts MiniStack. `settings` reach it and, through it, every function. With `roles`, functions
    may do what their roles in the template say, and nothing else."""
    port = endpoints.aws.rsplit(":", 1)[1]
    environment = clean_environment(layout) | endpoints.variables() | settings | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": port,
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        # No container engine is looked for.
        "DOCKER_HOST": f"unix://{layout.temporary}/no-container-engine",
    }
    environment |= {"AUTH": "true" if roles else "false", "PYTHONPATH": str(REPOSITORY)}
    return Child("ministack", [sys.executable, "-m", "sandbox.local.local_aws"], environment, layout.logs)


def start_simulator(
    layout: Layout, endpoints: Endpoints, program: Path, inventory: Path, speed: float, arguments: list[str]
) -> Child:
    """Starts the MGN simulator, which launches into MiniStack's EC2 and delivers events by its rules."""
    if not program.exists():
        raise SandboxError(f"{program} is not there: run `make build`")
    command = [
        str(program),
        "--listen", endpoints.simulator.removeprefix("http://"),
        "--inventory", str(inventory),
        "--speed", str(speed),
        "--aws-endpoint", endpoints.aws,
    ]
    environment = clean_environment(layout) | {"AWS_REGION": REGION, "RUST_LOG": "info"}
    return Child("mgn-sim", command + arguments, environment, layout.logs)
