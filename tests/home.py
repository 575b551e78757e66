"""A person's home and TMPDIR of a test's own, to see what is left in them."""

from pathlib import Path


class Home:
    """Its AWS configuration cannot be read, so that whoever tries fails."""

    def __init__(self, directory: Path):
        self.home = directory / "home"
        self.temporary = directory / "temporary"
        (self.home / ".aws").mkdir(parents=True)
        for name in ("config", "credentials"):
            (self.home / ".aws" / name).write_text("the person's own\n")
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
