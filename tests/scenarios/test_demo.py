"""`make demo` from outside, with nobody at the terminal."""

import os
import signal
import subprocess
import sys
import time

import pytest

from sandbox.local.layout import REPOSITORY, target_directory
from tests.home import Home

# More than the demo gives itself.
SECONDS = 300


@pytest.fixture
def demo(tmp_path, capsys):
    """Runs the demo in a directory of its own, and returns what it printed; it must have ended well and
    have left nothing elsewhere."""

    def run(*arguments: str) -> str:
        home = Home(tmp_path)
        before = home.content()
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.local.demo", "--dir", str(tmp_path / "sandbox"), *arguments],
            cwd=REPOSITORY, env=os.environ | {"CARGO_TARGET_DIR": str(target_directory())} | home.variables(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            output, _ = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:
                # As Ctrl-C does, so that it stops what it started.
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=30)
        with capsys.disabled():
            print(f"\nmake demo {' '.join(arguments)}: {time.monotonic() - started:.1f} s")
        assert process.returncode == 0, output
        assert home.content() == before
        return output

    return run


def record(output: str) -> str:
    """What the wave's own record says. The link was in the mail, and the wave ended as it should."""
    assert "Approve or reject it here:" in output
    assert "nobody is at the terminal: followed the link and approved (HTTP 200)" in output
    assert output.rstrip().endswith("the wave is Completed")
    timeline = output.split("WHAT HAPPENED", 1)[1]
    assert "The wave is now Completed." in timeline
    return timeline.split(" on the way: ", 1)[0]


def test_the_demo_completes_its_wave(demo):
    output = demo()
    happened = record(output)
    assert "LaunchFailed" not in happened
    assert "CheckFailed" not in happened
    assert "killed" not in output


def test_the_demo_with_faults_completes_its_wave_though_they_happen(demo):
    output = demo("--faults")
    happened = record(output)
    for failure in ("The test of app02 failed", "Tidegate-CheckPort failed on app03"):
        assert failure in happened
        assert f"on the way: {failure}" in output
    assert "! killed launch" in output
    assert "on the way: launch was killed during StartTest." in output
