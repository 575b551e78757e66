"""Where things are: the repository, the built binaries, and the sandbox's own directory."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

FUNCTIONS = (
    "events", "sweep", "observe", "advance", "park", "prepare", "launch",
    "lifecycle", "validate", "gate", "finalize", "notify", "export", "console",
)


def target_directory() -> Path:
    """Cargo's target directory, found the way the Makefile finds it."""
    if chosen := os.environ.get("CARGO_TARGET_DIR"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tidegate" / "target"


def binary(name: str) -> Path:
    """A debug binary of this workspace."""
    return target_directory() / "debug" / name


def tool(name: str) -> str:
    """A program of the Python environment that runs this process."""
    return str(Path(sys.executable).parent / name)


@dataclass(frozen=True)
class Layout:
    """One sandbox's directory."""

    root: Path

    @property
    def logs(self) -> Path:
        """One file per function and process."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """TMPDIR of every process."""
        return self.root / "tmp"

    @property
    def infra(self) -> Path:
        """The copy of `infra/` that is deployed."""
        return self.root / "infra"

    @property
    def build(self) -> Path:
        """What the template's CodeUri entries point at."""
        return self.root / "build"

    @property
    def environment(self) -> Path:
        """The file to `source`; it is there only while the sandbox is ready."""
        return self.root / "env"

    @property
    def approver(self) -> Path:
        """The same with the keys of a second person: nobody approves what they applied themselves."""
        return self.root / "env.approver"

    @property
    def outputs(self) -> Path:
        """The same and the stack's outputs, as JSON."""
        return self.root / "outputs.json"

    @property
    def lock(self) -> Path:
        """Held by the one sandbox that uses this directory."""
        return self.root / "lock"

    def create(self) -> None:
        """Makes the directories, and empties what an earlier sandbox left."""
        self.environment.unlink(missing_ok=True)
        self.approver.unlink(missing_ok=True)
        self.outputs.unlink(missing_ok=True)
        for directory in (self.logs, self.temporary):
            directory.mkdir(parents=True, exist_ok=True)
            for old in directory.iterdir():
                if old.is_file():
                    old.unlink()
