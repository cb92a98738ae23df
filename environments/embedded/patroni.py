"""Patroni members: each is one Patroni with the PostgreSQL it runs, as one service."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import requests
import yaml
from robot.api.types import Secret

from environments.embedded.processes import EmbeddedService, Home, tree
from environments.embedded.programs import Found, unprivileged
from environments.sections.cluster import ClusterServices
from environments.system import Endpoint

SCOPE = "acceptance"

# A small server that still has room for 45 pooled clients, the criteria's other sessions and three walsenders.
# fsync stays on: whether acknowledged writes survive is what is tested.
PARAMETERS: dict[str, str | int | float | bool] = {
    "max_connections": 120,
    "shared_buffers": "64MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": 10,
    "max_replication_slots": 10,
    "wal_log_hints": "on",
    "wal_keep_size": "128MB",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


@dataclass(frozen=True)
class MemberAddresses:
    """Where one member listens, and where it finds the configuration store (its own link to etcd)."""

    postgres: Endpoint
    rest: Endpoint
    etcd: Endpoint


@dataclass(frozen=True)
class Passwords:
    """Random passwords of one run."""

    superuser: Secret
    replication: Secret


class Member(EmbeddedService):
    """A member of the cluster: Patroni and its PostgreSQL."""

    def __init__(
        self,
        home: Home,
        program: Found,
        settings: ClusterServices,
        addresses: MemberAddresses,
        passwords: Passwords,
    ) -> None:
        super().__init__(home)
        self.program, self.settings = program, settings
        self.addresses, self.passwords = addresses, passwords
        self.data = self.directory / "data"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. The file holds passwords, so only its owner can read it."""
        file = self.directory / "patroni.yml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(self.configuration(), sort_keys=False), encoding="utf-8")
        return [*unprivileged(), sys.executable, "-m", "patroni", str(file)], {}

    def configuration(self) -> dict[str, Any]:
        """Patroni's configuration; `settings` and `member_settings` may override any dotted key of it."""
        patroni, where, secret = self.settings.patroni, self.addresses, self.passwords
        postgres = {"username": "postgres", "password": secret.superuser.value}
        content: dict[str, Any] = {
            "scope": SCOPE,
            "name": self.name,
            "restapi": {"listen": str(where.rest), "connect_address": str(where.rest)},
            "etcd3": {"hosts": [str(where.etcd)]},
            "bootstrap": {
                "dcs": {
                    "ttl": patroni.ttl,
                    "loop_wait": patroni.loop_wait,
                    "retry_timeout": patroni.retry_timeout,
                    "primary_start_timeout": patroni.primary_start_timeout,
                    "maximum_lag_on_failover": patroni.maximum_lag_on_failover,
                    "synchronous_mode": patroni.synchronous_mode,
                    "failsafe_mode": patroni.failsafe_mode,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "use_slots": True,
                        "parameters": {**PARAMETERS, **self.settings.postgresql.settings},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth-host": "scram-sha-256"}, "no-sync"],
            },
            "postgresql": {
                "listen": str(where.postgres),
                "connect_address": str(where.postgres),
                "data_dir": str(self.data),
                "bin_dir": str(self.program.path.parent),
                "pgpass": str(self.directory / "pgpass"),
                "authentication": {
                    "superuser": postgres,
                    "replication": {"username": "replicator", "password": secret.replication.value},
                    "rewind": postgres,
                },
                "parameters": {"unix_socket_directories": ""},
                "pg_hba": [
                    f"host all all {where.postgres.host}/32 scram-sha-256",
                    f"host replication replicator {where.postgres.host}/32 scram-sha-256",
                ],
                "basebackup": [{"checkpoint": "fast"}, "no-sync"],
                # A leader killed right after its promotion may have no common ancestor to rewind to.
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        }
        for dotted, value in {**patroni.settings, **patroni.member_settings.get(self.name, {})}.items():
            _put(content, dotted.split("."), value)
        return content

    def processes(self, part: str = "all") -> Sequence[int]:
        """Process ids alive of "all", "patroni", "postmaster" (with its children), or "walsenders"."""
        postmaster = self._postmaster()
        below = tree(postmaster)
        match part:
            case "all":
                return list(dict.fromkeys([*tree(self.pid), *below]))
            case "patroni":
                return [pid for pid in tree(self.pid) if pid not in below]
            case "postmaster":
                return below
            case "walsenders":
                return [pid for pid in below if ": walsender " in _title(pid)]  # titles carry the cluster name
        raise ValueError(f"'{self.name}' has no part '{part}'; use all, patroni, postmaster or walsenders")

    def roots(self) -> Sequence[int]:
        """Patroni and the postmaster, which Patroni detaches from itself."""
        return [pid for pid in (self.pid, self._postmaster()) if pid is not None]

    def status(self) -> dict[str, Any] | None:
        """What the member's own REST API says of it, None when it does not answer."""
        try:
            return requests.get(f"http://{self.addresses.rest}/patroni", timeout=1).json()  # type: ignore[no-any-return]
        except (requests.RequestException, ValueError):
            return None

    def reconfigure(self, changes: Mapping[str, Any]) -> None:
        """Merge changes into the dynamic configuration of the cluster; members apply them in their next round."""
        requests.patch(f"http://{self.addresses.rest}/config", json=dict(changes), timeout=5).raise_for_status()

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: running as primary, or streaming from it."""
        status = self.status()
        if status is None:
            return f"{self.name}'s REST API does not answer on {self.addresses.rest}"
        role, state = status.get("role"), status.get("state")
        if state != "running":
            return f"{self.name} is '{state}'"
        if role in ("primary", "master") or status.get("replication_state") == "streaming":
            return None
        return f"{self.name} is a {role} that does not stream yet"

    def _postmaster(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
            arguments = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if str(self.data) in " ".join(arguments) else None


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def _put(content: dict[str, Any], path: list[str], value: object) -> None:
    for key in path[:-1]:
        content = content.setdefault(key, {})
    content[path[-1]] = value
