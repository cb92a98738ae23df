"""The cluster's dynamic configuration: changed for one test, seen to be in effect, and put back.

Patroni answers a change before any member has applied it, and echoes values it will not use. What counts is therefore
what the members and the primary show afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from PatroniLibrary import rest
from PatroniLibrary.members import ASK_SECONDS, Status
from PatroniLibrary.replication import Replication
from PatroniLibrary.rest import PatroniApi, Topology

Setting = bool | int | str | None


class Changes:
    """What has been changed, and what stood there before."""

    def __init__(self, api: PatroniApi) -> None:
        self._api = api
        self._before: dict[str, Setting] = {}

    @property
    def pending(self) -> bool:
        """Whether something has to be put back."""
        return bool(self._before)

    def apply(self, settings: Mapping[str, Setting]) -> float:
        """Change settings; returns the epoch second of the answer, after which members must read the store again."""
        config = self._api.config()
        for name in settings:
            self._before.setdefault(name, config.get(name))
        self._api.patch_config(settings)
        return time.time()

    def undo(self) -> tuple[dict[str, Setting], float]:
        """Put everything back; returns what stands there again (None: absent) and the time of the answer."""
        before, self._before = self._before, {}
        self._api.patch_config(before)
        return before, time.time()


def unread(statuses: Iterable[Status], changed_at: float) -> str | None:
    """Name a member that answers but has not reached the configuration store since a change.

    `dcs_last_seen` counts whole seconds, hence the next full second after the change.
    """
    for status in statuses:
        if not status.problem and status.store_seen <= changed_at:
            return f"{status.member} has not read the configuration since it was changed"
    return None


def mode_missing(wanted: Setting, view: Topology, primary: Replication, standard_names: str = "") -> str | None:
    """Say what is missing until a synchronous mode is really on, or off.

    Args:
        wanted: value of `synchronous_mode`.
        view: the cluster's view.
        primary: what the leader's PostgreSQL says.
        standard_names: `synchronous_standby_names` that the servers have without that mode.
    """
    names = primary.synchronous_standby_names
    if wanted in (False, None, "off"):
        if view.synchronous:
            return f"{view.synchronous[0].name} is still a synchronous standby"
        return None if names == standard_names else f"synchronous_standby_names is still '{names}'"
    if names in ("", standard_names):
        return f"synchronous_standby_names is '{names}' on the leader"
    if any(replica.is_well for replica in view.replicas) and not (view.synchronous and primary.synchronous):
        return f"no standby is synchronous yet: {view}; the leader sees {primary.describe()}"
    return None


def failsafe_missing(view: Topology) -> str | None:
    """Say which member does not know all others for failsafe_mode yet.

    There is no such sign for the mode being off: `/failsafe` then goes on answering what was last known, and only the
    configuration itself, read in each round, counts.
    """
    for member in view.members:
        if not member.is_well:
            continue
        status, answer = rest.get(member.api_url, "/failsafe", ASK_SECONDS)
        if status != 200 or not isinstance(answer, dict):
            return f"{member.name}'s /failsafe answers {status}, failsafe_mode is not on there"
        if set(answer) != set(view.names):
            return f"{member.name}'s /failsafe knows {sorted(answer)}, expected {sorted(view.names)}"
    return None


def standard_names(config: Mapping[str, Any]) -> str:
    """Return `synchronous_standby_names` as the configuration sets it for the time without a synchronous mode."""
    parameters = config.get("postgresql", {}).get("parameters", {})
    return str(parameters.get("synchronous_standby_names", ""))
