"""What stopping, killing and freezing services means in each step of a fault."""

from __future__ import annotations

import os
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from environments.system import ServiceControl, System
from FaultLibrary import doors, observers
from FaultLibrary.lifecycle import Hit
from FaultLibrary.observers import Door, Outcome
from FaultLibrary.targets import Target, resolve_services
from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Member, Topology

FREEZE_ROUNDS = 100  # of listing and stopping again, 5 ms apart, until no process of a part is awake
SILENCE = 0.25  # seconds without an answer; the process table is the stronger witness of a freeze


@dataclass(frozen=True)
class Surroundings:
    """What a fault needs of the system it is done to."""

    system: System
    view: Callable[[], Topology]  # asks the cluster who its members are
    unsteady: Callable[[], str | None]  # says what the system lacks to be steady
    chance: random.Random
    known: Mapping[str, Member] = field(default_factory=dict)  # members seen before, by name


class ServiceFault(ABC):
    """A fault of one or more services; each kind says how to do it and what must be seen of it.

    Args:
        around: the system.
        spec: which services, see `targets`.
        part: which processes of each, see `ServiceControl.processes`.
    """

    def __init__(self, around: Surroundings, spec: str, part: str = "all") -> None:
        self.around, self.spec, self.part = around, spec, part
        self.observer = ""
        self.targets: tuple[Target, ...] = ()
        self.hit: dict[str, tuple[int, ...]] = {}
        self.born: dict[int, int] = {}  # process id -> when it was started

    def prepare(self) -> None:
        """See `Action.prepare`: every target must be alive and answer its clients."""
        services = self.around.system.services
        if not services:
            raise ValueError("this environment has no services under its control; it does not declare process-faults")
        around = self.around
        self.targets = resolve_services(self.spec, tuple(services), around.view, around.chance, around.known)
        for target in self.targets:
            if not services[target.name].processes(self.part):
                raise Inconclusive(f"{target.name} has no process of '{self.part}' that could be hit")
            if (problem := doors.not_answering(self.doors(target))) is not None:
                raise Inconclusive(f"{target.name} is not well before the fault: {problem}")

    def inject(self) -> Sequence[Hit]:
        """See `Action.inject`."""
        before = {t.name: tuple(self.service(t).processes(self.part)) for t in self.targets}
        self.born = {pid: observers.started(pid) for pids in before.values() for pid in pids}
        for target in self.targets:
            self.hit[target.name] = before[target.name]
        self.do()
        for pid in (pid for pids in self.hit.values() for pid in pids):
            self.born.setdefault(pid, observers.started(pid))
        return [Hit(t.name, t.role, self.part, tuple(sorted(self.hit[t.name]))) for t in self.targets]

    @abstractmethod
    def do(self) -> None:
        """Do it to every target."""

    @abstractmethod
    def not_in_effect(self) -> str | None:
        """See `Action.not_in_effect`."""

    @abstractmethod
    def heal(self) -> None:
        """See `Action.heal`."""

    def not_steady(self) -> str | None:
        """See `Action.not_steady`: the services hit answer again, and the whole system is as it should be."""
        return doors.not_answering(tuple(d for t in self.targets for d in self.doors(t))) or self.around.unsteady()

    def clean_up(self) -> None:
        """See `Action.clean_up`: no process that was hit may be left stopped."""
        stopped = [pid for pids in self.hit.values() for pid in self.same(pids) if observers.state(pid) in ("T", "t")]
        if stopped:
            raise AssertionError(f"processes {stopped} of {self.spec} are still stopped after the fault")

    def service(self, target: Target) -> ServiceControl:
        """The control of one target."""
        return self.around.system.services[target.name]

    def doors(self, target: Target, part: str = "all") -> tuple[Door, ...]:
        """Where clients meet a part of one target."""
        if target.member is None:
            return doors.of_service(self.around.system, target.name)
        return tuple(door for name, door in doors.of_member(target.member).items() if part in ("all", name))

    def same(self, pids: Iterable[int]) -> list[int]:
        """Those of the ids that still mean the process they meant when the fault was injected."""
        return [pid for pid in pids if observers.started(pid) == self.born.get(pid)]

    def start_again(self) -> None:
        """Start every target that is not there; what is run by another part that lives comes back by itself."""
        for target in self.targets:
            if not self.service(target).processes("patroni" if target.member else "all"):
                self.service(target).start()

    def unlike(self, wanted: Outcome, part: str) -> str | None:
        """Say where a client of any target meets something else than is wanted; all doors are tried at once."""
        tried = [(target, door) for target in self.targets for door in self.doors(target, part)]
        if not tried:
            return None
        with ThreadPoolExecutor(max_workers=len(tried), thread_name_prefix="client") as pool:
            met = list(pool.map(lambda pair: pair[1].knock(SILENCE).outcome, tried))
        for (target, door), outcome in zip(tried, met, strict=True):
            if outcome is not wanted:
                return f"a client of {target.name} finds that {door} {outcome}, expected that it {wanted}"
        return None

    def told(self, what: str, wanted: Outcome, part: str) -> str:
        """Sum up who saw what."""
        table = ", ".join(f"{len(self.hit[t.name])} of {t.name}" for t in self.targets)
        met = [str(door) for target in self.targets for door in self.doors(target, part)]
        clients = f"; client: {wanted} at {', '.join(met)}" if met else ""
        return f"process table: {what} {table}{clients}"


class KillFault(ServiceFault):
    """SIGKILL to all processes of a part."""

    def do(self) -> None:
        """See `ServiceFault.do`."""
        for target in self.targets:
            self.hit[target.name] += tuple(
                pid for pid in self.service(target).kill(self.part) if pid not in self.hit[target.name]
            )

    def not_in_effect(self) -> str | None:
        """None when the processes are gone and, unless something that lives starts them again, clients are refused."""
        refusing = "none" if self.part in ("postmaster", "walsenders") else self.part
        for target in self.targets:
            left = observers.alive(self.same(self.hit[target.name]))
            if left:
                return f"processes {left} of {target.name} are alive"
        if (problem := self.unlike(Outcome.REFUSES, refusing)) is not None:
            return problem
        self.observer = self.told("gone are", Outcome.REFUSES, refusing)
        return None

    def heal(self) -> None:
        """See `Action.heal`."""
        self.start_again()

    def doors(self, target: Target, part: str = "all") -> tuple[Door, ...]:
        """See `ServiceFault.doors`."""
        return () if part == "none" else super().doors(target, part)


class KillNodeFault(KillFault):
    """Sudden death of whole nodes: every process of every target is stopped first, so that none sees another die."""

    def do(self) -> None:
        """See `ServiceFault.do`."""
        for target in self.targets:
            self.hit[target.name] = freeze(self.service(target), self.part)
        super().do()


class StopFault(KillFault):
    """Stopping as an operator would, and waiting until it is done."""

    def do(self) -> None:
        """See `ServiceFault.do`."""
        with ThreadPoolExecutor(max_workers=len(self.targets), thread_name_prefix="stop") as pool:
            for stopped in [pool.submit(self.service(target).stop) for target in self.targets]:
                stopped.result()


class FreezeFault(ServiceFault):
    """SIGSTOP to all processes of a part; the kernel keeps their connections open, and nobody answers."""

    def do(self) -> None:
        """See `ServiceFault.do`."""
        for target in self.targets:
            self.hit[target.name] = freeze(self.service(target), self.part)

    def not_in_effect(self) -> str | None:
        """None when the kernel shows every process as stopped and clients wait in vain for an answer."""
        for target in self.targets:
            frozen = observers.alive(self.hit[target.name])
            if not frozen:
                return f"no process of {target.name} is there any more"
            awake = observers.awake(dict.fromkeys([*frozen, *self.service(target).processes(self.part)]))
            if awake:
                return f"processes {awake} of {target.name} are not stopped"
        if (problem := self.unlike(Outcome.SILENT, self.part)) is not None:
            return problem
        self.observer = self.told("stopped are", Outcome.SILENT, self.part)
        return None

    def heal(self) -> None:
        """See `Action.heal`: the part as it is now, and what was hit, which may no longer be found below its parent."""
        for target in self.targets:
            self.service(target).resume(self.part)
            for pid in self.same(self.hit.get(target.name, ())):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.start_again()


def freeze(service: ServiceControl, part: str) -> tuple[int, ...]:
    """Stop a part until no process of it is awake; what a process forks just before it stops is stopped as well.

    Raises:
        Inconclusive: some process is still awake after many rounds.
    """
    hit: set[int] = set()
    for _ in range(FREEZE_ROUNDS):
        hit.update(service.freeze(part))
        if not observers.awake(hit.union(service.processes(part))):
            return tuple(sorted(hit))
        time.sleep(0.005)  # a stop signal is delivered when the process next runs
    raise Inconclusive(f"{service.name} could not be frozen: {observers.awake(service.processes(part))} are awake")
