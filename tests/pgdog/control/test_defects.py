"""Each switch of the control plane does the wrong thing its name says, and the program without it does not."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable
from functools import partial

import pytest

from reference.pgdog.wrong.controls import _CHANGED
from reference.pgdog.wrong.switch import Defect
from tests.pgdog.control.conftest import HOST, Proxy, value
from tests.waiting import until

pytestmark = pytest.mark.servers
SCENARIOS: dict[Defect, Callable[..., bool]] = {}
GENERAL = "mirror_min_requests = 10\nmirror_min_runtime_hours = 0\nmirror_max_error_rate = 0.05\n"
DONE, REFUSED = "succeed app app_mirror app 0.1", "fail app app_mirror app query"


def shows(defect):
    def keep(scenario):
        SCENARIOS[defect] = scenario
        return scenario

    return keep


def mirror(running, **labels):
    return value(running.samples(), "mirror", **labels)


def report(running):
    return [line for (line,) in running.ask("SHOW MIRROR READINESS")]


@shows(Defect.AVERAGES_WRONGLY)
def averages(make):
    running = make()
    running.count(*[DONE] * 10)
    return mirror(running, stat="avg_latency_ms") != 100


@shows(Defect.FORGETS_MAXIMUM)
def maximum(make):
    running = make()
    running.count("succeed app app_mirror app 0.2", DONE)
    return mirror(running, stat="max_latency_ms") != 200


@shows(Defect.MIXES_DATABASES)
def databases(make):
    running = make()
    running.count(DONE, "succeed second second_mirror app 0.1")
    return ("mirror", frozenset({"database": "second", "metric": "mirrored"}.items())) not in running.samples()


@shows(Defect.MIXES_USERS_IN_METRICS)
def users(make):
    running = make()
    running.count(DONE, "succeed app app_mirror other 0.1", "succeed second second_mirror other 0.1")
    assert mirror(running, database="second", user="other", metric="total") == 1
    return mirror(running, database="app", user="app", metric="total") != 1


@shows(Defect.DOUBLES_TYPE_LINES)
def type_lines(make):
    return make().get()[2].count("# TYPE mirror gauge") != 1


@shows(Defect.RENDERS_FLOATS)
def floats(make):
    return 'mirror{type="total"} 0\n' not in make().get()[2]


@shows(Defect.PROMISES_OPENMETRICS)
def promise(make):
    port = make().metrics_port
    accept = {"Accept": "application/openmetrics-text"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{HOST}:{port}/metrics", headers=accept)) as answer:
        promised = answer.headers["content-type"].startswith("application/openmetrics")
        return promised and not answer.read().endswith(b"# EOF\n")


@shows(Defect.STALE_METRICS)
def stale_page(make):
    running = make()
    running.get()
    running.count(DONE)
    return mirror(running, type="total") != 1


@shows(Defect.STALE_CONSOLE)
def stale_console(make):
    running = make()
    running.count(DONE)
    shown = sum(row[2] for row in running.ask("SHOW MIRRORS"))
    return shown != mirror(running, type="total")


@shows(Defect.READY_DESPITE_ERRORS)
def ready(make):
    running = make()
    running.count(*[DONE] * 20, *[REFUSED] * 10)
    return "Status: READY" in report(running)


@shows(Defect.FORGETS_REASONS)
def reasons(make):
    lines = report(make())
    assert "Status: NOT READY" in lines
    return "  - Total requests 0 below minimum 10" not in lines


@shows(Defect.WRONG_SCORE)
def score(make):
    running = make()
    running.count(*[DONE] * 5)
    return "Confidence Score: 75.0%" not in report(running)


@shows(Defect.COUNTS_ERRORS_IN_TOTAL)
def errors_in_total(make):
    running = make()
    running.count(DONE, REFUSED, "overflow app app_mirror app")
    return mirror(running, type="total") != 3


@shows(Defect.SHOWS_DISABLED_METRICS)
def disabled(make):
    return "mirror" in make(general="mirror_metrics_enabled = false\n").get()[2]


@shows(Defect.COUNTS_EXPENSIVELY)
def expensively(make):
    """The processor time of 2000 transactions, as a multiple of that without metrics."""

    def cost(running):
        before = value(running.samples(), "process_cpu_seconds_total")
        running.count(*[DONE] * 2000)
        return value(running.samples(), "process_cpu_seconds_total") - before

    return cost(make()) > 2.5 * cost(make(general="mirror_metrics_enabled = false\n"))


@shows(Defect.SLOW_METRICS)
def slow(make):
    running = make()

    def took():
        begin = time.monotonic()
        running.get()
        return time.monotonic() - begin

    return min(took() for _ in range(5)) > 0.1


@shows(Defect.ZEROES_ON_RELOAD)
def zeroes(make):
    running = make()
    running.count(DONE)
    running.ask("RELOAD")
    return mirror(running, type="total") != 1


@shows(Defect.RELOAD_ENDS_CLIENTS)
def ends_clients(make):
    running = make()
    with socket.create_connection((HOST, running.port), timeout=10) as client:
        running.ask("RELOAD")
        try:
            client.sendall(f"{DONE}\n".encode())
            ended = client.recv(10) != b"ok\n"
        except ConnectionError:
            ended = True
    until(lambda: running.count(DONE) is None, "the proxy to listen again")
    return ended


@shows(Defect.TAKES_WRONG_KEYS)
def wrong_keys(make):
    running = make(general="mirror_queue = 5\n", ready=False)
    until(lambda: running.process.poll() is not None or "ready:" in running.log.read_text(), "a start or an end")
    return running.process.poll() is None


@shows(Defect.KEEPS_COUNTERS_OVER_RESTART)
def over_restart(make):
    running = make()
    running.count(DONE)
    assert running.end() == 0
    running.log.write_text("")
    running.start()
    running.until_ready()
    return mirror(running, type="total") != 0


@shows(Defect.LAST_SUCCESS_NEVER_SET)
def last_success(make):
    running = make()

    def age():
        return mirror(running, health="last_success_seconds_ago")

    def age_after_one():
        running.count(DONE)
        return age()

    until(lambda: age() >= 1, "a second of silence")
    return min(age_after_one() for _ in range(3)) >= 1


@pytest.fixture
def make(tmp_path):
    """Makes proxies with a defect or without, and ends them."""
    made: list[Proxy] = []

    def one(*options, general=GENERAL, ready=True):
        made.append(Proxy(tmp_path / str(len(made)), "plan", *options, general=general))
        return made[-1].until_ready() if ready else made[-1]

    yield one
    for running in made:
        if running.process.poll() is None:
            running.end()


def test_every_switch_of_the_control_plane_is_shown_here():
    assert set(SCENARIOS) == set(_CHANGED)
    assert list(Defect)[-len(_CHANGED) :] == [defect for defect in Defect if defect in _CHANGED]
    assert all(defect.why.endswith(".") for defect in Defect)


@pytest.mark.parametrize("defect", SCENARIOS, ids=str)
def test_without_it_the_program_is_right(make, defect):
    assert not SCENARIOS[defect](make)


@pytest.mark.parametrize("defect", SCENARIOS, ids=str)
def test_it_does_the_wrong_thing(make, defect):
    assert SCENARIOS[defect](partial(make, "--defect", defect.value))


def test_an_unknown_one_is_refused_with_the_names_of_all(make):
    running = make("--defect", "unheard-of", ready=False)
    assert running.process.wait(15) == 2
    assert all(defect.value in running.log.read_text() for defect in Defect)
