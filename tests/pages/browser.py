"""A browser as a test uses it: the system's Chromium, driven by Playwright in a process of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]

# Where `make setup` puts what `package-lock.json` pins.
TOOLS = REPOSITORY / ".venv" / "pages"

# Screenshots are kept: they are for people to look at.
PICTURES = REPOSITORY / ".sandbox" / "pages"


class Browser:
    """One browser with one page; a context manager."""

    def __init__(self, tools: Path | None = None, pictures: Path = PICTURES):
        self.tools = tools or Path(os.environ.get("TIDEGATE_PAGES_TOOLS", TOOLS))
        self.pictures = pictures

    def __enter__(self) -> "Browser":
        program = shutil.which("chromium")
        node = shutil.which("node")
        assert program and node, "chromium or node is not there: run `make setup`"
        assert (self.tools / "node_modules").is_dir(), f"nothing in {self.tools}: run `make setup`"
        self.process = subprocess.Popen(
            [node, str(HERE / "browser.mjs"), str(self.tools), str(self.pictures), program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def do(self, what: str, **arguments: object) -> dict:
        """Asks the browser for one thing; `browser.mjs` has them all."""
        self.process.stdin.write(json.dumps({"what": what} | arguments) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the browser ended by itself"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer
