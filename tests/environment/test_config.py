"""Each mistake in an environment file is answered by one line that names the key and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from environments.config import EnvironmentFile, load_environment, merged
from environments.errors import EnvironmentProblem

GOOD = {"name": "mine", "driver": "embedded", "systems": {"cluster": {"capabilities": ["postgresql"]}}}
EXTERNAL = {
    "name": "theirs",
    "driver": "external",
    "systems": {
        "cluster": {
            "capabilities": ["postgresql"],
            "addresses": {"primary": "db:5000", "replicas": "db:5001", "user": "me", "password": "%{DB_PASSWORD}"},
        }
    },
}


def write(directory: Path, content: object, name: str = "mine.yaml") -> str:
    path = directory / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def problems(path: str) -> list[str]:
    with pytest.raises(EnvironmentProblem) as caught:
        load_environment(path)
    assert all("\n" not in line for line in caught.value.problems), "one line per mistake"
    return list(caught.value.problems)


def test_the_default_environments_are_valid() -> None:
    assert load_environment("embedded").driver == "embedded"
    sixteen = load_environment("embedded-pg16")
    assert sixteen.systems.cluster is not None
    assert sixteen.systems.cluster.services.postgresql.version == "16"
    assert "patroni" in sixteen.systems.cluster.capabilities, "extends keeps what it does not override"


CLUSTER = "systems: {cluster: {capabilities: [postgresql]"
MISTAKES = {
    "unknown key": (GOOD | {"drvier": "embedded"}, "drvier: unknown key"),
    "unknown nested key": (
        merged(GOOD, {"systems": {"cluster": {"services": {"haproxy": {"prot": 5000}}}}}),
        "systems.cluster.services.haproxy.prot: unknown key",
    ),
    "missing key": ({"name": "mine", "driver": "embedded"}, "systems: missing"),
    "missing capabilities": (GOOD | {"systems": {"cluster": {}}}, "systems.cluster.capabilities: missing"),
    "wrong type": (GOOD | {"timeout_multiplier": "fast"}, "timeout_multiplier: input should be a valid number"),
    "wrong type of a port": (
        merged(GOOD, {"systems": {"cluster": {"services": {"redis": {"port": "high"}}}}}),
        "systems.cluster.services.redis.port: input should be a valid integer",
    ),
    "port out of range": (
        merged(GOOD, {"systems": {"cluster": {"services": {"redis": {"port": 70000}}}}}),
        "systems.cluster.services.redis.port: input should be less than or equal to 65535, not 70000",
    ),
    "unknown driver": (GOOD | {"driver": "docker"}, "driver: must be 'embedded' or 'external', not 'docker'"),
    "unknown capability": (
        GOOD | {"systems": {"cluster": {"capabilities": ["postgres"]}}},
        "systems.cluster.capabilities: 'postgres' is unknown; use any of: postgresql",
    ),
    "too few members": (
        merged(GOOD, {"systems": {"cluster": {"services": {"patroni": {"members": 0}}}}}),
        "systems.cluster.services.patroni.members: input should be greater than or equal to 1, not 0",
    ),
    "multiplier below one": (GOOD | {"timeout_multiplier": 0.5}, "timeout_multiplier: input should be greater"),
    "not YAML": ("name: [", "is not valid YAML at line"),
    "not a mapping": ("- one\n- two\n", "must be a mapping of keys"),
    "empty": ("", "must be a mapping of keys"),
    "extends nothing there": (GOOD | {"extends": "nowhere"}, "environment 'nowhere': no such file"),
    "extends itself": (GOOD | {"extends": "mine"}, "'extends' goes round in a circle"),
    "extends a list": (GOOD | {"extends": ["a"]}, "extends: must name one environment"),
    "embedded with addresses": (
        merged(GOOD, {"systems": {"cluster": {"addresses": EXTERNAL["systems"]["cluster"]["addresses"]}}}),  # type: ignore[index]
        "systems.cluster.addresses: only for driver 'external'",
    ),
    "external without addresses": (GOOD | {"driver": "external"}, "systems.cluster.addresses: missing"),
    "citus capability without the service": (
        GOOD | {"systems": {"cluster": {"capabilities": ["citus"]}}},
        "capability 'citus' and services.citus go together",
    ),
    "password in the file": (
        merged(EXTERNAL, {"systems": {"cluster": {"addresses": {"password": "hunter2"}}}}),
        "addresses.password: must not stand in the file; write %{VARIABLE}",
    ),
    "unknown capability of the broker": (
        GOOD | {"systems": {"broker": {"capabilities": ["publish-ack"]}}},
        "systems.broker.capabilities: 'publish-ack' is unknown; use any of: wire, publish_ack",
    ),
    "a broker's list that is not there": (
        GOOD | {"systems": {"broker": {"capabilities": [], "services": {"broker": {"declares": "/no/list.yaml"}}}}},
        "systems.broker.services: /no/list.yaml cannot be read (No such file or directory); correct the path",
    ),
    "an external broker without addresses": (
        GOOD | {"driver": "external", "systems": {"broker": {"capabilities": ["wire"]}}},
        "systems.broker.addresses: missing",
    ),
    "an unknown dialect": (
        GOOD | {"systems": {"pgdog": {"capabilities": [], "services": {"proxy": {"dialect": "english"}}}}},
        "systems.pgdog.services.proxy.dialect: must be 'plan' or 'upstream', not 'english'",
    ),
    "a program for the reference proxy": (
        GOOD | {"systems": {"pgdog": {"capabilities": [], "services": {"proxy": {"path": "/opt/pgdog"}}}}},
        "systems.pgdog.services.proxy: path and source are of the vendor's program; add vendor: true or remove them",
    ),
    "an unknown capability of PgDog": (
        GOOD | {"systems": {"pgdog": {"capabilities": ["mirrors"]}}},
        "systems.pgdog.capabilities: 'mirrors' is unknown; use any of: mirroring, exposure",
    ),
    "a PgDog that nobody can compare": (
        GOOD
        | {
            "driver": "external",
            "systems": {
                "pgdog": {
                    "capabilities": [],
                    "addresses": {
                        "client": "db:6432",
                        "user": "app",
                        "password": "%{DB_PASSWORD}",
                        "superuser_password": "%{DB_PASSWORD}",
                        "superuser": "postgres",
                        "primary": "db:5432",
                    },
                }
            },
        },
        "systems.pgdog.addresses.mirror: missing; add this key",
    ),
    "a password of PgDog in the file": (
        GOOD
        | {
            "driver": "external",
            "systems": {
                "pgdog": {
                    "capabilities": [],
                    "addresses": {
                        "client": "db:6432",
                        "user": "app",
                        "password": "%{PATH}",
                        "superuser_password": "%{PATH}",
                        "superuser": "postgres",
                        "primary": "db:5432",
                        "mirror": "db:5433",
                        "admin_password": "hunter2",
                    },
                }
            },
        },
        "systems.pgdog.addresses.admin_password: must not stand in the file; write %{VARIABLE}",
    ),
    "password variable not set": (EXTERNAL, "addresses.password: the environment variable DB_PASSWORD is not set"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=list(MISTAKES))
def test_a_mistake_gets_one_line(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    content, expected = MISTAKES[mistake]
    lines = problems(write(tmp_path, content))
    assert len(lines) == 1
    assert expected in lines[0]


def broker(tmp_path: Path, **program: object) -> frozenset[str]:
    section = {"capabilities": ["process-faults"], "services": {"broker": program}}
    loaded = load_environment(write(tmp_path, GOOD | {"systems": {"broker": section}}))
    assert loaded.systems.broker is not None
    return loaded.systems.broker.declared


def test_the_reference_broker_declares_what_stands_beside_it(tmp_path: Path) -> None:
    assert {"process-faults", "wire", "graceful_drain"} <= broker(tmp_path)


def test_another_broker_declares_its_own_list_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "offers.yaml").write_text("[wire, ping]", encoding="utf-8")
    assert broker(tmp_path, path="/opt/broker") == {"process-faults"}
    declared = broker(tmp_path, path="/opt/broker", declares=str(tmp_path / "offers.yaml"))
    assert declared == {"process-faults", "wire", "ping"}


def pgdog(tmp_path: Path, **proxy: object) -> frozenset[str]:
    section = {"capabilities": ["link-faults"], "services": {"proxy": proxy}}
    loaded = load_environment(write(tmp_path, GOOD | {"systems": {"pgdog": section}}))
    assert loaded.systems.pgdog is not None
    return loaded.systems.pgdog.declared


def test_a_proxy_declares_what_its_dialect_can_say(tmp_path: Path) -> None:
    assert {"link-faults", "mirroring", "error_kinds", "readiness"} <= pgdog(tmp_path)
    for upstream in (pgdog(tmp_path, dialect="upstream"), pgdog(tmp_path, vendor=True)):
        assert {"link-faults", "mirroring", "query_timeout"} <= upstream
        assert upstream.isdisjoint({"error_kinds", "max_latency", "health", "readiness", "metrics_switch"})


@pytest.mark.parametrize("text", ["wire", "[1, 2]", "{wire: true}"])
def test_a_list_of_capabilities_must_be_one(text: str, tmp_path: Path) -> None:
    file = tmp_path / "offers.yaml"
    file.write_text(text, encoding="utf-8")
    section = {"capabilities": [], "services": {"broker": {"declares": str(file)}}}
    (line,) = problems(write(tmp_path, GOOD | {"systems": {"broker": section}}))
    assert f"{file} must be a list of capabilities" in line


def test_no_such_file_lists_the_names_there_are() -> None:
    (line,) = problems("production")
    assert "environment 'production': no such file" in line
    assert "embedded, embedded-pg16" in line


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    lines = problems(write(tmp_path, GOOD | {"drvier": "x", "timeout_multiplier": "fast"}))
    assert len(lines) == 2


def test_a_password_is_never_repeated(tmp_path: Path) -> None:
    external = merged(EXTERNAL, {"systems": {"cluster": {"addresses": {"password": "hunter2"}}}})
    assert not any("hunter2" in line for line in problems(write(tmp_path, external)))
    wrong_type = merged(EXTERNAL, {"systems": {"cluster": {"addresses": {"password": 4711}}}})
    assert not any("4711" in line for line in problems(write(tmp_path, wrong_type)))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)

    def refuse(*_args: object, **_kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    (line,) = problems(path)
    assert line == f"{path}: cannot be read (Permission denied); check the path and permissions"


def test_an_overlay_wins_over_the_file(tmp_path: Path) -> None:
    overlay = {"systems": {"cluster": {"services": {"patroni": {"ttl": 30}}}}}
    environment = load_environment(write(tmp_path, GOOD), overlay)
    assert environment.systems.cluster is not None
    assert environment.systems.cluster.services.patroni.ttl == 30
    assert isinstance(environment, EnvironmentFile)
