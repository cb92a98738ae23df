"""Each switch of the broker does the wrong thing its name says, and the broker without it does not."""

from __future__ import annotations

import json

import pytest

from reference.mycelium.defects import Defect
from tests.mycelium import shown_messages, shown_peers, shown_running
from tests.mycelium.client import Closed
from tests.mycelium.showing import ALONE, WRONG, start
from tests.waiting import until

pytestmark = pytest.mark.servers
SHOWN = (shown_messages, shown_peers, shown_running)  # importing them fills the two tables


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    broker = start(tmp_path_factory.mktemp("healthy")).until_ready()
    yield broker
    broker.end()


def without_clients(broker):
    """Close all clients and wait until the broker has forgotten them."""
    for client in broker.clients:
        client.close()
    broker.clients.clear()
    until(lambda: broker.stats()["connections"]["active"] == 1, "the clients to be gone", not_yet=(OSError, Closed))


def test_every_switch_is_shown_here():
    about_starting = {Defect.IGNORES_ENVIRONMENT, Defect.VAGUE_CONFIG_ERROR}
    assert {*WRONG, *ALONE, *about_starting} == set(Defect)
    assert all(defect.why.endswith(".") for defect in Defect)


@pytest.mark.parametrize("defect", WRONG, ids=str)
def test_the_broker_without_it_is_right(healthy, defect):
    try:
        assert not WRONG[defect](healthy)
    finally:
        without_clients(healthy)


@pytest.mark.parametrize("defect", ALONE, ids=str)
def test_a_broker_of_its_own_without_it_is_right(tmp_path, defect):
    broker = start(tmp_path / "b").until_ready()
    try:
        assert not ALONE[defect](broker)
    finally:
        broker.end()


@pytest.mark.parametrize("defect", [*WRONG, *ALONE], ids=str)
def test_it_does_the_wrong_thing(tmp_path, defect):
    broker = start(tmp_path / "b", "--defect", defect.value).until_ready()
    try:
        assert {**WRONG, **ALONE}[defect](broker)
    finally:
        broker.end()


def test_the_environment_can_be_ignored(tmp_path):
    elsewhere = tmp_path / "elsewhere.sock"
    broker = start(
        tmp_path / "b", "--defect", "ignores-environment", MYCELIUM_SERVER_SOCKET_PATH=str(elsewhere)
    ).until_ready()
    assert not elsewhere.exists()
    broker.end()


def test_a_configuration_error_can_be_vague(tmp_path):
    broker = start(tmp_path / "b", "--defect", "vague-config-error", MYCELIUM_SERVER_MAX_CONNECTIONS="0")
    assert broker.process.wait(10) == 2
    assert "max_connections" not in broker.log.read_text()


def test_the_switch_can_come_from_the_environment_and_must_be_known(tmp_path):
    broker = start(tmp_path / "a", MYCELIUM_DEFECT="leaves-socket").until_ready()
    assert broker.stop() == 0
    assert broker.path.exists()
    broker = start(tmp_path / "b", MYCELIUM_DEFECT="unheard-of")
    assert broker.process.wait(10) == 2
    assert json.dumps("unheard-of")[1:-1] in broker.log.read_text()
