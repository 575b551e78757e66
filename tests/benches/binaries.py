"""Measures each binary as Lambda runs it: size, time from spawn to first `next`, peak memory.

A stand-in for Lambda's Runtime API answers `next` with nothing and times when it is asked. Run it with
`make bench`, or `python -m tests.benches.binaries --debug` for a first look.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.local.layout import FUNCTIONS, target_directory

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
    "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
    "RUST_LOG": "info",
    "TIDEGATE_TABLE": "tidegate",
    "TIDEGATE_ACCOUNT": "000000000000",
    "TIDEGATE_SETTLE_SECONDS": "3",
    "TIDEGATE_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:tidegate-driver",
    "TIDEGATE_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:tidegate-messages",
    "TIDEGATE_SIGNING_KEY": "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000",
    "TIDEGATE_AUDIT_KEY": "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000001",
    "TIDEGATE_AUDIT_BUCKET": "tidegate-audit",
    "TIDEGATE_EVENT_BUS": "tidegate",
    "TIDEGATE_LEASE_SECONDS": "180",
    "TIDEGATE_CONSOLE_URL": "http://127.0.0.1:1",
}
GOAL_TIMES_BARE, GOAL_BYTES = 4.0, 8_000_000


@dataclass
class Figures:
    """What was measured of one binary."""

    name: str
    size: int
    starts: list[float]
    peak_kib: int

    @property
    def start(self) -> float:
        """The median, in milliseconds."""
        return statistics.median(self.starts) * 1000


def measure_once(program: Path) -> tuple[float, int]:
    """Seconds from spawn until `next` is asked for, and the peak memory by then in KiB."""
    asked = threading.Event()
    moment = 0.0

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            nonlocal moment
            try:
                connection, _ = server.accept()
                connection.recv(1)
            except OSError:
                return
            moment = time.perf_counter()
            asked.set()
            hold.append(connection)

        hold: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        api = f"127.0.0.1:{server.getsockname()[1]}"
        spawned = time.perf_counter()
        process = subprocess.Popen(
            [str(program)], env=ENVIRONMENT | {"AWS_LAMBDA_RUNTIME_API": api},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        try:
            if not asked.wait(15):
                process.kill()
                raise SystemExit(f"{program} never asked for an event:\n{process.stderr.read().decode()}")
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
            for connection in hold:
                connection.close()
    return moment - spawned, peak


def measure(name: str, program: Path, runs: int) -> Figures:
    """The first run only warms the page cache."""
    measure_once(program)
    outcomes = [measure_once(program) for _ in range(runs)]
    return Figures(name, program.stat().st_size, [seconds for seconds, _ in outcomes], max(peak for _, peak in outcomes))


def main(arguments: list[str]) -> int:
    """Prints a table; returns 0, whatever the figures are: they are looked at, not tested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debug", action="store_true", help="measure the debug binaries")
    parser.add_argument("--runs", type=int, default=20)
    chosen = parser.parse_args(arguments)
    directory = target_directory() / ("debug" if chosen.debug else "lambda")
    bare_program = directory / "examples" / "bare"
    if not (directory / FUNCTIONS[0]).exists():
        raise SystemExit(f"no binaries in {directory}: `make bench` makes them")
    print(f"{os.cpu_count()} processors, median of {chosen.runs} starts\n")
    print(f"{'binary':10} {'bytes':>12} {'start':>9} {'times bare':>11} {'peak':>9}")
    bare = measure("bare", bare_program, chosen.runs) if bare_program.exists() else None
    rows = ([bare] if bare else []) + [measure(name, directory / name, chosen.runs) for name in FUNCTIONS]
    for row in rows:
        times = f"{row.start / bare.start:10.1f}x" if bare else f"{'-':>11}"
        marks = "".join(
            mark for mark, over in (
                (" size!", row.size > GOAL_BYTES), (" start!", bool(bare) and row.start > GOAL_TIMES_BARE * bare.start),
            ) if over
        )
        print(f"{row.name:10} {row.size:12,} {row.start:6.1f} ms {times} {row.peak_kib / 1024:6.1f} MB{marks}")
    if not bare:
        print(f"\n(no bare function to compare with: {bare_program} is not there)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
