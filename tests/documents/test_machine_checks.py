"""Disk and clock checks."""

import os

import pytest

CHRONY = """
cat <<'END'
Reference ID    : A29FC801 (time.example)
System time     : {offset} seconds fast of NTP time
Leap status     : {leap}
END
"""


def test_a_disk_with_room_passes(run, tmp_path):
    outcome = run("check-disk", minimumFreePercent=["0"])
    assert outcome.status == 0
    assert outcome.output.endswith("% on /, and it takes a write\n")
    assert not [name for name in os.listdir("/") if name.startswith(".tidegate-check")]


@pytest.mark.parametrize(("used", "status"), [("91%", 1), ("90%", 0), ("7%", 0)])
def test_the_limit_is_inclusive(run, stand_in, used, status):
    stand_in("df", f"echo Filesystem 1024-blocks Used Available Capacity Mounted on; echo /dev/x 100 1 1 {used} /")
    assert run("check-disk").status == status


def test_no_file_system_there_fails(run):
    outcome = run("check-disk", path=["/no/such/directory"])
    assert (outcome.status, outcome.error) == (1, "FAILED: no file system at /no/such/directory\n")


def test_a_file_system_that_takes_no_write_fails(run, stand_in):
    stand_in("mktemp", "exit 1")
    outcome = run("check-disk", minimumFreePercent=["0"])
    assert (outcome.status, outcome.error) == (1, "FAILED: / does not take a write\n")


@pytest.mark.parametrize(
    ("offset", "leap", "status"),
    [("0.000012", "Normal", 0), ("1.5", "Normal", 1), ("0.000012", "Not synchronised", 1)],
)
def test_chrony_is_asked_first(run, stand_in, offset, leap, status):
    stand_in("chronyc", CHRONY.format(offset=offset, leap=leap))
    outcome = run("check-time-sync", withinSeconds=["0"])
    assert outcome.status == status
    assert f"leap status {leap}" in outcome.output + outcome.error


@pytest.mark.parametrize(("offset", "status"), [("-0.312", 0), ("-2312.5", 1)])
def test_ntpd_is_asked_next(run, stand_in, offset, status):
    stand_in("chronyc", "exit 1")
    stand_in("ntpq", f"echo offset={offset}")
    assert run("check-time-sync", withinSeconds=["0"]).status == status


@pytest.mark.parametrize(
    ("line", "status"),
    [("System clock synchronized: yes", 0), ("NTP synchronized: yes", 0), ("System clock synchronized: no", 1)],
)
def test_timedatectl_is_asked_last(run, stand_in, line, status):
    for absent in ("chronyc", "ntpq"):
        stand_in(absent, "exit 1")
    stand_in("timedatectl", f'echo "        Time zone: UTC"; echo "      {line}"')
    assert run("check-time-sync", withinSeconds=["0"]).status == status


def test_no_time_service_at_all_is_told(run, bare):
    outcome = run("check-time-sync", programs=bare("date", "sleep"), withinSeconds=["0"])
    assert outcome.status == 1
    assert "no time service is there" in outcome.error
