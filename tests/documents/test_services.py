"""Check, stop and start of services, against a stand-in for systemctl and for a SysV `service`.

Both know the services named in $STATE/units. A file NAME.up says that one runs, NAME.slow that it takes
two further looks to go down, NAME.stuck that it does not, NAME.broken that it does not start. Of `service`
alone, NAME.dumb says that the init script knows no status, NAME.hangs that it does not come back.
"""

import functools

import pytest

SYSTEMCTL = """
verb=$1; shift
[ "$1" = --no-block ] && shift
[ "$1" = --quiet ] && shift
case $1 in --property=*) property=${1#--property=}; shift;; esac
unit=$1
echo "$verb $unit" >>"$STATE/calls"
case $verb in
  is-active) [ -e "$STATE/$unit.up" ];;
  start) grep -qxF "$unit" "$STATE/units" && [ ! -e "$STATE/$unit.broken" ] && touch "$STATE/$unit.up";;
  stop) [ ! -e "$STATE/$unit.stuck" ] && { [ -e "$STATE/$unit.slow" ] || rm -f "$STATE/$unit.up"; };;
  show)
    case $property in
      LoadState) if grep -qxF "$unit" "$STATE/units"; then echo LoadState=loaded; else echo LoadState=not-found; fi;;
      ActiveState)
        if [ -s "$STATE/$unit.slow" ]; then echo ActiveState=deactivating; : >"$STATE/$unit.slow"
        elif [ -e "$STATE/$unit.slow" ]; then rm -f "$STATE/$unit.up" "$STATE/$unit.slow"; echo ActiveState=inactive
        elif [ -e "$STATE/$unit.up" ]; then echo ActiveState=active
        else echo ActiveState=inactive; fi;;
    esac;;
esac
"""

SERVICE = """
unit=$1; verb=$2
echo "$verb $unit" >>"$STATE/calls"
grep -qxF "$unit" "$STATE/units" || { echo "$unit: unrecognized service" >&2; exit 1; }
[ ! -e "$STATE/$unit.hangs" ] || [ "$verb" = status ] || exec sleep 60
case $verb in
  status)
    [ ! -e "$STATE/$unit.dumb" ] || exit 4
    if [ -s "$STATE/$unit.slow" ]; then : >"$STATE/$unit.slow"
    elif [ -e "$STATE/$unit.slow" ]; then rm -f "$STATE/$unit.up" "$STATE/$unit.slow"; fi
    [ -e "$STATE/$unit.up" ] || exit 3;;
  start) [ ! -e "$STATE/$unit.broken" ] && touch "$STATE/$unit.up";;
  stop) [ ! -e "$STATE/$unit.stuck" ] && { [ -e "$STATE/$unit.slow" ] || rm -f "$STATE/$unit.up"; };;
  *) exit 2;;
esac
"""

# All that the scripts and the stand-in use besides what the shell has itself.
PROGRAMS = ("cat", "date", "grep", "rm", "sed", "sleep", "sync", "timeout", "touch", "tr")


@pytest.fixture(params=["systemctl", "service"])
def manager(request) -> str:
    """What the machine manages its services with."""
    return request.param


@pytest.fixture
def run(run, manager, bare, tmp_path):
    """On a machine that has the one and not the other."""
    if manager == "systemctl":
        return run
    programs = f"{tmp_path / 'bin'}:{bare(*PROGRAMS)}"
    return functools.partial(run, programs=programs, directories={"/etc/init.d/": f"{tmp_path}/init.d/"})


@pytest.fixture
def units(tmp_path, stand_in, manager):
    """Makes services: name to whether it runs."""

    def make(**services: bool) -> None:
        stand_in(manager, {"systemctl": SYSTEMCTL, "service": SERVICE}[manager])
        (tmp_path / "units").write_text("".join(f"{name}\n" for name in services))
        (tmp_path / "init.d").mkdir()
        for name, up in services.items():
            (tmp_path / "init.d" / name).touch(0o755)
            if up:
                (tmp_path / f"{name}.up").touch()

    return make


def test_running_services_pass(run, units):
    units(postgresql=True, pgbouncer=True)
    outcome = run("check-service", services=["postgresql", "pgbouncer"])
    assert (outcome.status, outcome.output) == (0, "running: postgresql\nrunning: pgbouncer\n")


def test_each_service_that_does_not_run_is_named(run, units):
    units(postgresql=False, nginx=True)
    outcome = run("check-service", services=["postgresql", "nginx", "absent"], withinSeconds=["0"])
    assert outcome.status == 1
    assert outcome.output == "running: nginx\n"
    assert outcome.error == "FAILED: not running after 0 s: postgresql\nFAILED: not running after 0 s: absent\n"


def test_services_stop_in_the_given_order(run, units, tmp_path):
    units(web=True, queue=True, db=True)
    outcome = run("stop-services", services=["web", "queue", "db"])
    assert (outcome.status, outcome.output) == (0, "stopped: web\nstopped: queue\nstopped: db\n")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call for call in calls if call.startswith("stop")] == ["stop web", "stop queue", "stop db"]


def test_a_service_on_its_way_down_is_waited_for(run, units, tmp_path):
    units(db=True)
    (tmp_path / "db.slow").write_text("slow")
    outcome = run("stop-services", services=["db"], withinSeconds=["10"])
    assert (outcome.status, outcome.output) == (0, "stopped: db\n")


def test_a_service_that_does_not_stop_fails_and_leaves_the_next_alone(run, units, tmp_path):
    units(db=True, web=True)
    (tmp_path / "db.stuck").touch()
    outcome = run("stop-services", services=["db", "web"], withinSeconds=["0"])
    assert (outcome.status, outcome.error) == (1, "FAILED: not stopped within 0 s: db\n")
    assert "stop web" not in (tmp_path / "calls").read_text()


@pytest.mark.parametrize("document", ["stop-services", "start-services"])
def test_a_misspelt_service_is_not_taken_for_another(run, units, document):
    units(db=True)
    outcome = run(document, services=["dbb"])
    assert (outcome.status, outcome.error) == (1, "FAILED: no such service: dbb\n")


def test_stopping_and_starting_twice_is_the_same_as_once(run, units):
    units(db=True)
    for document, word in (("stop-services", "stopped"), ("start-services", "started")):
        for _ in range(2):
            outcome = run(document, services=["db"])
            assert (outcome.status, outcome.output) == (0, f"{word}: db\n")


def test_a_service_that_does_not_start_fails(run, units, tmp_path):
    units(db=False)
    (tmp_path / "db.broken").touch()
    outcome = run("start-services", services=["db"], withinSeconds=["0"])
    assert (outcome.status, outcome.error) == (1, "FAILED: not started within 0 s: db\n")


@pytest.mark.parametrize("manager", ["service"], indirect=True)
def test_what_an_init_script_does_not_know_is_not_taken_for_stopped(run, units, tmp_path):
    units(db=True)
    (tmp_path / "db.dumb").touch()
    outcome = run("stop-services", services=["db"], withinSeconds=["0"])
    assert (outcome.status, outcome.error) == (1, "FAILED: not stopped within 0 s: db\n")


@pytest.mark.parametrize("manager", ["service"], indirect=True)
@pytest.mark.parametrize("document, runs, done", [("stop-services", True, "stopped"), ("start-services", False, "started")])
def test_an_init_script_that_does_not_come_back_is_ended(run, units, tmp_path, document, runs, done):
    units(db=runs)
    (tmp_path / "db.hangs").touch()
    outcome = run(document, services=["db"], withinSeconds=["1"])
    assert (outcome.status, outcome.error) == (1, f"FAILED: not {done} within 1 s: db\n")
