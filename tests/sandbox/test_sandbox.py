"""`make sandbox` from outside: ready, told apart, stopped, and nothing left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.local.layout import FUNCTIONS, REPOSITORY
from tests.driver.conftest import HERE, runnable, until
from tests.home import Home
from tests.processes import LOOPBACK, family, listening

VARIABLES = {
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_MGN", "AWS_ENDPOINT_URL_SSM", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "TIDEGATE_TABLE", "TIDEGATE_CONSOLE_URL",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    """A cargo target directory whose programs are stand-ins."""
    directory = tmp_path_factory.mktemp("target")
    (directory / "debug").mkdir()
    (directory / "script.json").write_text("{}")
    for name in FUNCTIONS:
        runnable(HERE / "stand_in_function.py", directory / "debug" / name)
    runnable(HERE / "stand_in_simulator.py", directory / "debug" / "mgn-sim")
    return directory


@pytest.fixture
def home(tmp_path) -> Home:
    """The person's."""
    return Home(tmp_path)


@pytest.fixture
def start(target, home):
    """Starts a sandbox as `make sandbox` does; ends it with the test."""
    processes: list[subprocess.Popen] = []

    def run(directory: Path, programs: Path = target) -> subprocess.Popen:
        processes.append(launch(programs, directory, home))
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=20)


def launch(target: Path, directory: Path, home: Home) -> subprocess.Popen:
    """In an environment that would lead astray whoever looked into it."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.local", "--dir", str(directory)],
        cwd=REPOSITORY,
        env=os.environ | home.variables()
        | {"CARGO_TARGET_DIR": str(target), "AWS_PROFILE": "not-there", "HTTP_PROXY": "http://127.0.0.1:9", "AWS_REGION": "mars-1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def ready(process: subprocess.Popen, directory: Path) -> None:
    """Waits for the file to source."""

    def there() -> bool:
        assert process.poll() is None, process.communicate()
        return (directory / "env").exists()

    until(there, 20)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_gets_ready_and_stops_without_a_trace(start, home, tmp_path, how):
    directory = tmp_path / "sandbox"
    before = home.content()
    temporary = set(Path("/tmp").iterdir())
    process = start(directory)
    ready(process, directory)
    sourced = subprocess.run(
        ["bash", "-c", f'source "{directory}/env" && env'], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    ).stdout
    assert VARIABLES <= {line.split("=", 1)[0] for line in sourced.splitlines()}
    assert (directory / "env").stat().st_mode & 0o077 == 0
    members = family(process.pid)
    assert len(members) >= 3
    assert listening(members) == {LOOPBACK}

    process.send_signal(how)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "stopped" in output
    assert not (directory / "env").exists()
    until(lambda: not [pid for pid in members if Path(f"/proc/{pid}").exists()], 5)
    assert home.content() == before
    # From who does not heed TMPDIR; others use this directory too.
    new = {path for path in set(Path("/tmp").iterdir()) - temporary if "ministack" in path.name or "tidegate" in path.name}
    assert not new


def test_two_in_one_directory_are_refused(start, tmp_path):
    directory = tmp_path / "sandbox"
    first = start(directory)
    ready(first, directory)
    second = start(directory)
    _, errors = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "another sandbox runs in" in errors
    assert (directory / "env").exists()


def test_without_binaries_it_says_what_to_do(start, tmp_path):
    process = start(tmp_path / "sandbox", tmp_path / "nothing")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "run `make build`" in errors


def test_it_ends_when_a_part_of_it_dies(start, tmp_path):
    directory = tmp_path / "sandbox"
    process = start(directory)
    ready(process, directory)
    simulator = next(
        pid for pid in family(process.pid) if b"mgn-sim" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(simulator, signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "mgn-sim ended by itself" in errors


def test_killed_outright_it_takes_its_children_along(start, tmp_path):
    directory = tmp_path / "sandbox"
    process = start(directory)
    ready(process, directory)
    members = family(process.pid) - {process.pid}
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not [pid for pid in members if Path(f"/proc/{pid}").exists()], 15)
