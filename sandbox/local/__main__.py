"""`make sandbox`: starts the sandbox, stays in the foreground, stops on Ctrl-C or SIGTERM."""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from .processes import SandboxError, forget_personal_settings
from .sandbox import DEFAULT_INVENTORY, FAULTS, REPOSITORY, Options, Sandbox


def parse(arguments: list[str]) -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="make sandbox", description="Runs Tidegate against a local AWS and a simulated MGN, all on 127.0.0.1."
    )
    parser.add_argument("--dir", type=Path, default=REPOSITORY / ".sandbox", metavar="PATH", help="where everything lives (default: .sandbox)")
    parser.add_argument("--inventory", type=Path, default=DEFAULT_INVENTORY, metavar="FILE", help="the source servers, as JSON")
    parser.add_argument("--speed", type=float, default=60.0, metavar="FACTOR", help="how much faster than MGN the simulator is (default: 60)")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="a fault to inject, as in `mgn-sim --help`; may be repeated")
    parser.add_argument("--faults", action="store_true", help="inject the faults of `make demo FAULTS=1`")
    parser.add_argument("--uninitialized", action="store_true", help="leave MGN uninitialized in the account")
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    chosen = parser.parse_args(arguments)
    return Options(
        directory=chosen.dir, inventory=chosen.inventory, speed=chosen.speed,
        faults=chosen.fault + (FAULTS if chosen.faults else []),
        initialize=not chosen.uninitialized, quiet=chosen.quiet,
    )


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    forget_personal_settings()
    options = parse(arguments)
    ending = threading.Event()

    def end(*_: object) -> None:
        if ending.is_set():
            return
        ending.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    started = time.monotonic()
    sandbox = Sandbox(options)
    try:
        with sandbox:
            sandbox.tell(banner(sandbox, time.monotonic() - started))
            while not ending.wait(0.5):
                if dead := sandbox.dead_child():
                    raise SandboxError(f"{dead.name} ended by itself:\n{dead.last_lines()}")
    except KeyboardInterrupt:
        sandbox.stop()
        sandbox.tell("stopped")
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def banner(sandbox: Sandbox, seconds: float) -> str:
    """Where things are."""
    return (
        f"sandbox ready after {seconds:.1f} s\n"
        f"  environment  source {sandbox.layout.environment}\n"
        f"  local AWS    {sandbox.endpoints.aws}\n"
        f"  MGN and SSM  {sandbox.endpoints.simulator}\n"
        f"  console      {sandbox.outputs['ConsoleUrl']}\n"
        f"  Slack        {sandbox.slack.address}\n"
        f"  logs         {sandbox.layout.logs}\n"
        f"Ctrl-C stops it."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
