"""A person's home and TMPDIR of a test's own, to see what is left in them."""

from pathlib import Path


class Home:
    """Holds a file that leads astray whoever reads it."""

    def __init__(self, directory: Path):
        self.home = directory / "home"
        self.temporary = directory / "temporary"
        (self.home / ".aws").mkdir(parents=True)
        (self.home / ".aws" / "config").write_text("[default]\nregion = mars-1\n")
        self.temporary.mkdir()

    def variables(self) -> dict[str, str]:
        """What leads a process here."""
        return {"HOME": str(self.home), "TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.home / ".cache")}

    def content(self) -> dict[Path, bytes | None]:
        """Everything here: files with what is in them, and directories."""
        return {
            path: path.read_bytes() if path.is_file() else None
            for root in (self.home, self.temporary) for path in root.rglob("*")
        }
