"""The driver's part of Citus on real servers."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import pytest

from environments.embedded.processes import tree
from environments.errors import EnvironmentProblem
from environments.sections.cluster import Citus
from tests.citus.conftest import DATABASE, CitusAlone, citus_alone

pytestmark = pytest.mark.servers


def answer(citus: CitusAlone, query: str, node: str = "citus-coordinator") -> list[tuple[object, ...]]:
    with closing(citus.services.nodes[node].connect(DATABASE)) as session, session.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def health(citus: CitusAlone) -> list[object]:
    return [row[0] for row in answer(citus, "SELECT result FROM citus_check_cluster_node_health()")]


def test_a_library_that_postgresql_cannot_load_is_one_line(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "citus.so").write_bytes(b"not a library")
    (tmp_path / "share" / "extension").mkdir(parents=True)
    (tmp_path / "share" / "extension" / "citus.control").write_text("default_version = '14.0-1'\n")
    with citus_alone(tmp_path / "logs", Citus(path=tmp_path)) as alone:
        with pytest.raises(EnvironmentProblem) as caught:
            alone.start()
        state = alone.keeper.state_directory
    (line,) = caught.value.problems
    assert line.startswith("systems.cluster.services.citus.path: PostgreSQL 18.")
    assert "could not load library" in line
    assert line.endswith("name an installation that was built for this PostgreSQL, or correct services.postgresql")
    assert not state.exists()


def test_every_node_reaches_every_node_with_passwords(citus):
    assert health(citus) == [True] * 9
    rules = answer(citus, "SELECT DISTINCT auth_method FROM pg_hba_file_rules", "citus-worker1")
    assert rules == [("scram-sha-256",)]


def test_tables_are_distributed_side_by_side_or_on_every_node(citus):
    found = answer(
        citus,
        "SELECT table_name::text, citus_table_type, distribution_column, shard_count FROM citus_tables ORDER BY 1",
        "citus-worker2",
    )
    assert found == [
        ("memory_entries", "distributed", "namespace", 4),
        ("metadata", "reference", "<none>", 1),
        ("patterns", "distributed", "namespace", 4),
        ("sessions", "reference", "<none>", 1),
    ]
    groups = "SELECT count(DISTINCT colocation_id) FROM citus_tables WHERE distribution_column = 'namespace'"
    assert answer(citus, groups) == [(1,)]


def test_no_password_stands_in_a_log_an_argument_or_a_file_of_others(citus):
    services = citus.services
    passwords = [services.owner.password.value, services.coordinator.superuser.password.value]
    files = [file for file in (*citus.logs.rglob("*.log"), *citus.keeper.state_directory.rglob("*")) if file.is_file()]
    holders = [file for file in files if any(password.encode() in file.read_bytes() for password in passwords)]
    assert {file.name for file in holders} == {"pgpass"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in holders} == {0o600}
    for pid in (pid for node in services.nodes.values() for pid in tree(node.pid)):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not any(password.encode() in arguments for password in passwords)


def test_settings_and_facts_are_those_of_the_environment(citus):
    assert answer(citus, "SHOW citus.shard_count") == [("4",)]
    assert answer(citus, "SHOW citus.enable_statistics_collection") == [("off",)]
    names = [facts.name for facts in citus.services.facts()]
    assert names == ["citus-coordinator", "citus-worker1", "citus-worker2"]
    (library,) = {facts.program for facts in citus.services.facts()}
    assert Path(library).name == "citus.so"


def test_a_killed_worker_is_told_by_the_others_and_can_be_started_again_at_once(citus):
    worker = citus.services.nodes["citus-worker2"]
    assert worker.kill()
    assert False in health(citus)
    worker.start()
    citus.ready(worker)
    assert health(citus) == [True] * 9


def test_a_stopped_worker_leaves_although_clients_are_connected(citus):
    worker = citus.services.nodes["citus-worker1"]
    with closing(worker.connect(DATABASE)):
        worker.stop()
    assert not worker.processes()
    worker.start()
    citus.ready(worker)
    assert health(citus) == [True] * 9


def test_defects_reach_the_coordinator_and_the_last_worker(citus):
    comment = "COMMENT ON DATABASE acceptance IS '{}'"
    citus.services.tamper(DATABASE, ["SET citus.enable_ddl_propagation TO off", comment.format("first")], [])
    citus.services.tamper(DATABASE, [], ["SET citus.enable_ddl_propagation TO off", comment.format("last")])
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'acceptance'"
    assert [answer(citus, query, node)[0][0] for node in citus.services.nodes] == ["first", None, "last"]
