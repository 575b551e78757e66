"""`make demo`: one wave from replication to finalized, with the person's part played if nobody is there.

Exits 0 only when the wave is Completed and, with `--faults`, when things did go wrong on the way.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from .accident import Accident
from .layout import binary
from .mailbox import Mailbox
from .page import follow, read
from .processes import SandboxError, forget_personal_settings
from .sandbox import FAILURES, FAULTS, REPOSITORY, Options, Sandbox

PLAN = REPOSITORY / "examples" / "orders.yaml"
WAVE = "orders"
SPEED = 600.0
SECONDS = 180


class Demo:
    """The wave, watched."""

    def __init__(self, sandbox: Sandbox, mailbox: Mailbox, person_is_there: bool):
        self.sandbox = sandbox
        self.person_is_there = person_is_there
        self.started = time.monotonic()
        self.environment = os.environ | sandbox.variables
        self.mailbox = mailbox
        self.followed: set[str] = set()
        self.last_line = ""

    def tell(self, text: str) -> None:
        """A line with the seconds since the start."""
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def tidegate(self, *arguments: str) -> str:
        """Runs the command line as a person does."""
        done = subprocess.run(
            [str(binary("tidegate")), *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            raise SandboxError(f"tidegate {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def status(self) -> dict:
        """The wave as the console shows it."""
        shown = json.loads(self.tidegate("status", WAVE, "--json"))
        return shown[0] if isinstance(shown, list) else shown

    def read_mail(self) -> None:
        """Prints each mail's subject; follows an approval link unless a person is there to."""
        for message in self.mailbox.fetch():
            self.tell(f"mail: {message.subject}")
            for link in message.links(self.sandbox.outputs["ConsoleUrl"]):
                if link in self.followed:
                    continue
                self.followed.add(link)
                self.show(link)
                if not self.person_is_there:
                    status, _ = follow(link)
                    self.tell(f"nobody is at the terminal: followed the link and approved (HTTP {status})")

    def show(self, link: str) -> None:
        """The gate as its page shows it, and where that page is."""
        heading, facts = read(link)
        width = max(len(name) for name, _ in facts)
        lines = [heading, *(f"  {name:{width}}  {value}" for name, value in facts)]
        lines += ["", "Approve or reject it here:", link, "", "The whole wave:", self.tidegate("page", WAVE).strip()]
        print("\n" + "".join(f"    {line}".rstrip() + "\n" for line in lines), flush=True)

    def watch(self) -> dict:
        """Until the wave has ended. With a person there, as long as it takes."""
        while True:
            self.read_mail()
            seen = self.status()
            stages = ", ".join(f"{count} {stage}" for stage, count in sorted(seen.get("stages", {}).items()))
            line = f"{seen['phase']}: {stages}" + (f" — {seen['waiting_for']}" if seen.get("waiting_for") else "")
            if line != self.last_line:
                self.tell(line)
                self.last_line = line
            if seen.get("ended"):
                return seen
            if seen.get("held"):
                raise SandboxError(f"the wave is held: {json.dumps(seen.get('hold'), indent=2)}")
            if not self.person_is_there and time.monotonic() - self.started > SECONDS:
                raise SandboxError(f"the wave did not end in {SECONDS} s")
            if dead := self.sandbox.dead_child():
                raise SandboxError(f"{dead.name} ended by itself:\n{dead.last_lines()}")
            time.sleep(0.3)

    def timeline(self) -> None:
        """What the wave's own record says."""
        print()
        print(self.tidegate("timeline", WAVE))

    def went_wrong(self, accident: Accident) -> None:
        """Tells what failed on the way; raises if something did not that should have."""
        texts = [entry["text"] for entry in json.loads(self.tidegate("timeline", WAVE, "--json"))]
        for failure in FAILURES:
            text = next((text for text in texts if text.startswith(failure)), None)
            if text is None:
                raise SandboxError(f"it did not happen: {failure}")
            self.tell(f"on the way: {text}")
        if not accident.killed:
            raise SandboxError("no function could be killed in the middle of its call")
        self.tell(f"on the way: {accident.program.name} was killed during {accident.operation}.")


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--faults", action="store_true", help="let things go wrong on the way")
    parser.add_argument("--speed", type=float, default=SPEED, metavar="FACTOR", help="how much faster than MGN")
    parser.add_argument("--dir", type=Path, default=REPOSITORY / ".sandbox", metavar="PATH", help="the sandbox's directory")
    parser.add_argument("--unattended", action="store_true", help="follow the approval link even on a terminal")
    chosen = parser.parse_args(arguments)
    forget_personal_settings()
    options = Options(directory=chosen.dir, speed=chosen.speed, faults=FAULTS if chosen.faults else [])
    attended = sys.stdin.isatty() and sys.stdout.isatty() and not chosen.unattended and not os.environ.get("CI")
    accident = None
    try:
        with Sandbox(options) as sandbox, Mailbox(sandbox) as mailbox:
            demo = Demo(sandbox, mailbox, attended)
            demo.tell(f"sandbox ready; applying {PLAN.relative_to(REPOSITORY)}")
            if chosen.faults:
                accident = Accident(sandbox)
                accident.start()
            demo.tidegate("apply", str(PLAN))
            end = demo.watch()
            demo.timeline()
            if accident:
                demo.went_wrong(accident)
            demo.tell(f"the wave is {end['phase']}")
            return 0 if end["phase"].lower() == "completed" else 1
    except SandboxError as error:
        print(f"demo: {error}", file=sys.stderr)
        print(f"demo: logs are in {options.directory / 'logs'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if accident:
            accident.ending.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
