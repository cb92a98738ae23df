"""The broker of the embedded environment: it starts, more can be started beside it, and nothing is left of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import environments
from environments.config import EnvironmentFile, load_environment
from environments.embedded.broker import CONFIGURATION, EmbeddedBroker
from environments.embedded.processes import wait_until
from environments.errors import EnvironmentProblem
from FaultLibrary import doors
from FaultLibrary.observers import Outcome

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    one = environments.start_system("broker", load_environment("embedded"), tmp_path_factory.mktemp("results"))
    assert isinstance(one, EmbeddedBroker)
    yield one
    assert one.stop() == []
    assert not one.directory.exists()


def test_it_answers_at_its_socket_and_through_its_link(system: EmbeddedBroker) -> None:
    (door,) = doors.of_service(system, "broker")
    assert door.knock().outcome is Outcome.ANSWERS
    before = system.link_counters("client-broker")["bytes_to_client"]
    assert doors.of_link(system, "client-broker").knock().outcome is Outcome.ANSWERS
    assert system.link_counters("client-broker")["bytes_to_client"] == before + 8, "a pong"
    assert [(facts.name, facts.kind) for facts in system.facts] == [("broker", "reference")]


def test_a_link_that_is_cut_refuses_and_the_broker_still_answers(system: EmbeddedBroker) -> None:
    system.set_link("client-broker", {"cut": True})
    try:
        assert doors.of_link(system, "client-broker").knock().outcome is Outcome.REFUSES
        assert doors.of_service(system, "broker")[0].knock().outcome is Outcome.ANSWERS
    finally:
        system.set_link("client-broker", None)
    assert doors.of_link(system, "client-broker").knock().outcome is Outcome.ANSWERS


def test_more_brokers_have_configurations_of_their_own(system: EmbeddedBroker) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    one, other = system.launch(text), system.launch(text, {"MYCELIUM_SERVER_MAX_CONNECTIONS": "0"})
    wait_until(one.control.missing, 10, "the first to answer")
    wait_until(lambda: None if other.exit_status() is not None else "it runs", 10, "the other to end")
    assert other.exit_status() == 2
    assert "max_connections" in other.log.read_text(encoding="utf-8")
    assert one.socket != system.addresses.socket
    one.control.kill()
    wait_until(lambda: "not waited for" if one.exit_status() is None else None, 5, "its end to be known")
    assert one.exit_status() == -signal.SIGKILL


def test_a_broker_that_ends_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "broker"
    program.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    section = {"capabilities": [], "services": {"broker": {"path": str(program)}}}
    mine = {"name": "mine", "driver": "embedded", "systems": {"broker": section}}
    with pytest.raises(EnvironmentProblem, match=r"broker: ended with status 3 while starting; read .*broker\.log"):
        environments.start_system("broker", EnvironmentFile.model_validate(mine), tmp_path / "results")


def test_what_is_kept_can_be_tested_by_the_external_driver(tmp_path: Path) -> None:
    section = {"capabilities": ["process-faults"]}
    mine = {"name": "mine", "driver": "embedded", "systems": {"broker": section}}
    kept = environments.start_system("broker", EnvironmentFile.model_validate(mine), tmp_path)
    try:
        assert f"socket {kept.addresses.socket}" in kept.keep(tmp_path)  # type: ignore[union-attr]
        file = load_environment(str(tmp_path / "kept.yaml"))
        assert environments.preflight(file) == []
        external = environments.start_system("broker", file, tmp_path)
        assert doors.of_service(external, "broker")[0].knock().outcome is Outcome.ANSWERS
        assert "process-faults" not in external.capabilities
        assert "publish_ack" in external.capabilities
        assert external.stop() == []
        assert yaml.safe_load((tmp_path / "kept.yaml").read_text(encoding="utf-8"))["driver"] == "external"
    finally:
        kept.stop()
