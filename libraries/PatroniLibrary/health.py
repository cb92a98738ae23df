"""What keeps a cluster from being healthy, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from PatroniLibrary.members import Status, leaders, unwell
from PatroniLibrary.replication import Replication
from PatroniLibrary.rest import Topology


def missing(
    view: Topology, statuses: Iterable[Status], primary: Replication | None, expected: Collection[str]
) -> str | None:
    """Return the first thing that is not as it should be, None when the cluster is healthy.

    Healthy means: every expected member is listed, answers, and is a running primary or streams; exactly one leads and
    the cluster's view agrees; all are on one timeline; the primary sees every standby stream over its own slot.

    Args:
        view: the cluster's view.
        statuses: what each listed member says of itself.
        primary: what the leader's PostgreSQL says of its replication; None: not asked, since there is no leader.
        expected: the members there have to be.
    """
    told = list(statuses)
    absent = sorted(set(expected) - set(view.names))
    if absent:
        return f"{', '.join(absent)} is not listed: {view}"
    if view.paused:
        return "the cluster is paused, Patroni would not react to anything"
    if problems := unwell(told):
        return problems[0]
    who = leaders(told)
    listed = tuple(m.name for m in view.leaders)
    if len(who) != 1 or listed != who:
        return f"expected one leader, {who or 'nobody'} says to lead and the cluster's view names {listed or 'nobody'}"
    timelines = {s.timeline for s in told}
    if len(timelines) != 1:
        return "members are on different timelines: " + ", ".join(f"{s.member} on {s.timeline}" for s in told)
    if primary is None:
        return "the leader's PostgreSQL was not asked"
    problems = primary.problems(m.name for m in view.members if m.name != who[0])
    return problems[0] if problems else None
