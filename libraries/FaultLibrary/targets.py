"""Targets by what they are, not by name: resolved at the moment of injection, since leaders move. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Member, PatroniUnreachable, Topology

LINK_TO_STORE = "-etcd"  # the link of a member to the configuration store is named after the member

_CHOICES: dict[str, tuple[Callable[[Topology], tuple[Member, ...]], bool]] = {
    "leader": (lambda view: (view.leader,), False),
    "any replica": (lambda view: tuple(m for m in view.replicas if m.is_well), True),
    "all replicas": (lambda view: view.replicas, False),
    "sync standby": (lambda view: view.synchronous, True),
    "any member": (lambda view: view.members, True),
    "all members": (lambda view: view.members, False),
}
SPECS = tuple(_CHOICES)


@dataclass(frozen=True, slots=True)
class Target:
    """One service or link that a spec stands for now."""

    name: str
    member: Member | None = None  # when it is one

    @property
    def role(self) -> str:
        """The member's role now, "" for what is no member."""
        return self.member.role if self.member else ""


def resolve_services(
    spec: str,
    services: Collection[str],
    view: Callable[[], Topology],
    chance: random.Random,
    known: Mapping[str, Member] | None = None,
) -> tuple[Target, ...]:
    """Return the services that a spec stands for now.

    Args:
        spec: one of `SPECS`, or the name of a service.
        services: the names there are.
        view: asks the cluster who the members are.
        chance: chooses where the spec says "any", and among several synchronous standbys.
        known: members seen before, by name; for a service that is named while no member answers.

    Raises:
        ValueError: neither a spec nor a service; the line lists both.
        Inconclusive: no member is what the spec asks for.
    """
    spec = " ".join(spec.split())
    if spec.lower() in _CHOICES:
        found = tuple(Target(member.name, member) for member in _members(spec.lower(), view(), chance))
        unknown = [target.name for target in found if target.name not in services]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: the environment has no such service; it has {_listed(services)}")
        return found
    if spec not in services:
        raise ValueError(f"target '{spec}' is unknown; use {_listed(SPECS)}, or a service: {_listed(services)}")
    try:
        member = next((m for m in view().members if m.name == spec), None)
    except PatroniUnreachable:  # another fault may be the reason; a role could not be told now, a name can
        member = (known or {}).get(spec)
    return (Target(spec, member),)


def resolve_links(
    spec: str, links: Collection[str], view: Callable[[], Topology], chance: random.Random
) -> tuple[Target, ...]:
    """Return the links that a spec stands for now: a link's name, or `leader-etcd` and its like.

    Raises:
        ValueError: there is no such link; the line lists those there are.
        Inconclusive: no member is what the spec asks for.
    """
    spec = " ".join(spec.split())
    if spec in links:
        return (Target(spec),)
    who = spec.lower().removesuffix(LINK_TO_STORE).strip()
    if spec.lower().endswith(LINK_TO_STORE) and who in _CHOICES:
        names = [member.name + LINK_TO_STORE for member in _members(who, view(), chance)]
        if not set(names) - set(links):
            return tuple(Target(name) for name in names)
    raise ValueError(f"link '{spec}' is unknown; use {_listed(links)}, or 'leader{LINK_TO_STORE}' and its like")


def _members(spec: str, view: Topology, chance: random.Random) -> tuple[Member, ...]:
    choose, one = _CHOICES[spec]
    try:
        found = choose(view)
    except LookupError as error:
        raise Inconclusive(f"there is no '{spec}' to hit: {error}") from error
    if not found:
        raise Inconclusive(f"there is no '{spec}' to hit: {view}")
    return (chance.choice(found),) if one else found


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
