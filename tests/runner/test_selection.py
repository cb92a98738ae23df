"""Which criteria and which environment a request means, and what is said when it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from criteria import Kill, LastVerdict, catalogue
from environments import load_environment
from environments.embedded import opensearch
from environments.errors import EnvironmentProblem
from runner import selection
from runner.arguments import Request
from runner.selection import chosen_criteria, chosen_environment, listing
from runner.usage import UsageProblem

ENVIRONMENT = {"name": "toy", "driver": "embedded", "systems": {"cluster": {"capabilities": ["postgresql"]}}}
ALL = ["CL-01", "CT-01", "CT-02", "HA-10", "HA-11", "HA-12", "HA-13"]


def ids(request: Request, places) -> list[str]:
    return [criterion.id for criterion in chosen_criteria(request, places)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(), ALL),
        (Request(systems=("cluster",)), ALL),
        (Request(phases=("chaos",)), ["HA-10", "HA-11", "HA-12", "HA-13"]),
        (Request(criteria=("HA-12", "CL-01")), ["CL-01", "HA-12"]),
        (Request(systems=("cluster",), phases=("chaos",), criteria=("HA-12", "CL-01")), ["HA-12"]),
    ],
)
def test_options_narrow_the_choice_together(request_, expected, places):
    assert ids(request_, places) == expected


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (Request(criteria=("HA-14",)), "unknown criterion 'HA-14'; did you mean HA-1"),
        (
            Request(phases=("caos",)),
            "unknown phase 'caos'; did you mean chaos? Known: chaos, compatibility, integration",
        ),
        (Request(systems=("klaster",)), "unknown system 'klaster'; did you mean cluster? Known: broker, cluster"),
        (Request(profile="quik"), "unknown profile 'quik'; did you mean quick? Known: full, quick"),
        (Request(phases=("stress",)), "no criterion is all of: stress; ./run.sh --list shows what there is"),
        (Request(phases=("chaos",), criteria=("CL-01",)), "no criterion is all of: chaos, CL-01"),
    ],
)
def test_a_name_that_does_not_exist_is_one_line_with_those_that_do(request_, line, places):
    with pytest.raises(UsageProblem) as raised:
        chosen_criteria(request_, places)
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(line)


def written(tmp_path: Path, **changes: object) -> str:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(ENVIRONMENT | changes), encoding="utf-8")
    return str(path)


def test_an_environment_is_found_by_name(places):
    assert chosen_environment(Request()).name == "embedded"


def test_an_environment_is_found_by_path(tmp_path, places):
    assert chosen_environment(Request(environment=written(tmp_path))).name == "toy"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("embeded", "unknown environment 'embeded'; did you mean embedded"),
        ("nowhere/x.yaml", "environment 'nowhere/x.yaml': no such file"),
    ],
)
def test_an_environment_that_does_not_exist_is_one_line(name, line, places):
    with pytest.raises(UsageProblem) as raised:
        chosen_environment(Request(environment=name))
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(line)


def test_each_mistake_of_an_environment_file_is_a_line(tmp_path, places):
    with pytest.raises(UsageProblem) as raised:
        chosen_environment(Request(environment=written(tmp_path, driver="embeded", nmae="x")))
    assert sorted(raised.value.problems) == [
        "toy.yaml: driver: must be 'embedded' or 'external', not 'embeded'",
        "toy.yaml: nmae: unknown key; remove it or correct its spelling",
    ]


def test_what_the_machine_lacks_is_told_before_anything_starts(tmp_path, places, monkeypatch):
    monkeypatch.setattr(selection, "preflight", lambda environment: ["etcd: no such program; install it", "port taken"])
    with pytest.raises(UsageProblem) as raised:
        chosen_environment(Request(environment=written(tmp_path)))
    assert raised.value.problems == ("etcd: no such program; install it", "port taken")


def test_a_preflight_that_gives_up_is_a_usage_problem_too(tmp_path, places, monkeypatch):
    def refuse(environment):
        raise EnvironmentProblem("disk: full")

    monkeypatch.setattr(selection, "preflight", refuse)
    with pytest.raises(UsageProblem, match="disk: full"):
        chosen_environment(Request(environment=written(tmp_path)))


def citus_in(directory: Path) -> Path:
    (directory / "lib" / "postgresql").mkdir(parents=True)
    (directory / "lib" / "postgresql" / "citus.so").touch()
    (directory / "share" / "postgresql" / "extension").mkdir(parents=True)
    (directory / "share" / "postgresql" / "extension" / "citus.control").touch()
    return directory


def test_with_citus_declares_the_capability_and_names_the_directory(tmp_path, places):
    directory = citus_in(tmp_path / "my citus")
    cluster = chosen_environment(Request(environment=written(tmp_path), citus=directory)).systems.cluster
    assert cluster is not None
    assert cluster.capabilities == ["postgresql", "citus"]
    assert cluster.services.citus is not None
    assert cluster.services.citus.path == directory


@pytest.mark.parametrize(
    ("removed", "missing"),
    [
        ("lib/postgresql/citus.so", "lib/citus.so"),
        ("share/postgresql/extension/citus.control", "share/extension/citus"),
    ],
)
def test_a_directory_without_citus_is_refused(tmp_path, places, removed, missing):
    directory = citus_in(tmp_path / "citus")
    (directory / removed).unlink()
    with pytest.raises(UsageProblem, match=f"--with-citus: no {missing}.* below {directory}"):
        chosen_environment(Request(environment=written(tmp_path), citus=directory))


def test_citus_cannot_be_added_to_an_external_system(tmp_path, places, monkeypatch):
    monkeypatch.setenv("TOY_PASSWORD", "x")
    addresses = {"primary": "h:1", "replicas": "h:2", "user": "u", "password": "%{TOY_PASSWORD}"}
    systems = {"cluster": {"capabilities": ["postgresql"], "addresses": addresses}}
    with pytest.raises(UsageProblem, match="--with-citus: environment 'toy' does not start the cluster itself"):
        chosen_environment(
            Request(environment=written(tmp_path, driver="external", systems=systems), citus=citus_in(tmp_path / "c"))
        )


BOTH = {"fraiseql": {"capabilities": ["sink_search"]}, "pgdog": {"capabilities": []}}


def test_the_vendors_server_takes_the_place_of_the_reference_gateway(tmp_path, places):
    request = Request(environment=written(tmp_path, systems=BOTH), vendor=True, vendor_directory=tmp_path)
    systems = chosen_environment(request, {"fraiseql"}).systems
    chosen, other = systems.fraiseql, systems.pgdog
    assert chosen is not None
    assert chosen.services.gateway.vendor
    assert chosen.services.gateway.path == tmp_path
    assert "sink_search" in chosen.declared
    assert "flight_events" not in chosen.declared
    assert other is not None
    assert not other.services.proxy.vendor


def test_the_vendors_proxy_is_built_from_the_named_source(tmp_path, places):
    request = Request(environment=written(tmp_path, systems=BOTH), vendor=True, vendor_directory=tmp_path)
    chosen = chosen_environment(request, {"pgdog", "cluster"}).systems.pgdog
    assert chosen is not None
    assert (chosen.services.proxy.vendor, chosen.services.proxy.source) == (True, tmp_path)
    assert chosen.services.proxy.speaks == "upstream"
    assert {"mirroring", "query_timeout"} <= chosen.declared
    assert "readiness" not in chosen.declared


def test_vendors_of_all_systems_are_taken_at_once_but_a_directory_is_for_one(tmp_path, places):
    file = written(tmp_path, systems=BOTH)
    systems = chosen_environment(Request(environment=file, vendor=True), set(BOTH)).systems
    assert systems.fraiseql is not None
    assert systems.pgdog is not None
    assert systems.fraiseql.services.gateway.vendor
    assert systems.pgdog.services.proxy.vendor
    with pytest.raises(UsageProblem, match=r"--vendor /src: .*FraiseQL and PgDog; choose one of them with --system"):
        chosen_environment(Request(environment=file, vendor=True, vendor_directory=Path("/src")), set(BOTH))


def test_a_vendors_program_needs_an_environment_that_starts_it(tmp_path, places):
    with pytest.raises(UsageProblem, match="--vendor: environment 'toy' does not start FraiseQL itself"):
        chosen_environment(Request(environment=written(tmp_path), vendor=True), {"fraiseql"})


def test_a_system_without_a_vendors_program_is_told(tmp_path, places):
    with pytest.raises(UsageProblem, match="--vendor: only FraiseQL and PgDog have a vendor's program here"):
        chosen_environment(Request(environment=written(tmp_path), vendor=True), {"cluster"})


def test_the_list_tells_the_last_verdict_in_120_columns(places):
    verdicts = {
        "HA-10": LastVerdict("fail", "2026-11-21T09:00:00Z", "225511e+", "r1"),
        "HA-12": LastVerdict("pass", "2026-11-20T09:00:00Z", "225511e", "r0"),
    }
    kills = {"HA-10": Kill("loses-writes", "2026-11-19", "225511e", 3.0, "lost")}
    lines = listing(chosen_criteria(Request(), places), verdicts, kills).splitlines()
    assert lines[4] == "HA-10  chaos        fail         11-21 225511e+  11-19   No acknowledged write is lost"
    assert lines[5].startswith("HA-11  chaos        never run   ")
    assert lines[5].endswith("   no      Writes stop for at most 10 seconds")
    assert lines[-1] == "7 criteria, 1 of them passed when they last ran, 1 are proven able to fail"
    assert max(len(line) for line in lines) <= 120


def test_a_long_statement_is_cut_at_120_columns(places):
    (criterion,) = chosen_criteria(Request(criteria=("HA-10",)), places)
    long = type(criterion)(**{**criterion.as_json(), "statement": "x" * 300, "needs": (), "budgets": ()})
    line = listing([long], {}).splitlines()[1]
    assert (len(line), line[-1]) == (120, "…")


@pytest.mark.parametrize(("system", "fetched"), [("fraiseql", True), ("cluster", False)])
def test_only_what_the_chosen_criteria_need_is_fetched(tmp_path, places, monkeypatch, system, fetched):
    asked: list[object] = []
    monkeypatch.setattr(opensearch, "prepare", asked.append)
    file = written(tmp_path, systems={"fraiseql": {"capabilities": []}, "cluster": {"capabilities": []}})
    criterion = next(criterion for criterion in catalogue() if criterion.system == system)
    selection.fetch(load_environment(file), [criterion])
    assert bool(asked) == fetched


def test_what_cannot_be_fetched_is_a_usage_problem(tmp_path, places, monkeypatch):
    def refuse(wanted):
        raise EnvironmentProblem("search: no network")

    monkeypatch.setattr(opensearch, "prepare", refuse)
    file = written(tmp_path, systems={"fraiseql": {"capabilities": []}})
    criterion = next(criterion for criterion in catalogue() if criterion.system == "fraiseql")
    with pytest.raises(UsageProblem, match="search: no network"):
        selection.fetch(load_environment(file), [criterion])
