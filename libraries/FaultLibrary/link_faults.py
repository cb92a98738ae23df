"""What a bad link means in each step of a fault, and how a client tells one condition from another."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

from environments.embedded.link_proxy.conditions import TO_CLIENT, TO_SERVER, Condition
from FaultLibrary import doors
from FaultLibrary.lifecycle import Hit
from FaultLibrary.observers import PADDING, PATIENCE, Door, Outcome
from FaultLibrary.service_faults import Surroundings
from FaultLibrary.targets import Target, resolve_links
from measurement.verdicts import Inconclusive

KNOCKS = 5  # of which the mean is taken, since jitter spreads them
HANG_SILENCE = 0.25  # seconds without an answer; that nothing passes is counted as well
COUNTED_SECONDS = 0.5  # over which a rate is counted
NARROW = 0.05  # seconds a padded request must need for its time to tell anything
_BYTES = {TO_SERVER: "bytes_to_server", TO_CLIENT: "bytes_to_client"}


class LinkFault:
    """A condition of one or more links.

    Args:
        around: the system.
        spec: which links, see `targets`.
        condition: see `environments/embedded/link_proxy`.
    """

    def __init__(self, around: Surroundings, spec: str, condition: Mapping[str, float | bool | str]) -> None:
        self.around, self.spec = around, spec
        self.values = dict(condition)
        self.condition = Condition.parse(condition)
        self.observer = ""
        self.targets: tuple[Target, ...] = ()
        self.usual: dict[str, float] = {}  # link -> seconds to an answer while it is well

    def prepare(self) -> None:
        """See `Action.prepare`: every link must lead to somebody who answers."""
        system = self.around.system
        if not system.links:
            raise ValueError("this environment has no links under its control; it does not declare link-faults")
        self.targets = resolve_links(self.spec, tuple(system.links), self.around.view, self.around.chance)
        for target in self.targets:
            door = self._door(target)
            seen = [door.knock(doors.HEALTHY_PATIENCE) for _ in range(3)]
            bad = next((s for s in seen if s.outcome is not Outcome.ANSWERS), None)
            if bad is not None:
                raise Inconclusive(f"link {target.name} is not well before the fault: {door} {bad.outcome}")
            self.usual[target.name] = statistics.median(s.seconds for s in seen)

    def inject(self) -> Sequence[Hit]:
        """See `Action.inject`."""
        for target in self.targets:
            self.around.system.set_link(target.name, self.values)
        return [Hit(link=target.name) for target in self.targets]

    def not_in_effect(self) -> str | None:
        """None when a client that goes through each link meets just this condition."""
        seen = []
        for target in self.targets:
            missing, met = self._look(target)
            if missing is not None:
                return f"link {target.name}: {missing}"
            seen.append(f"{target.name} {met}")
        self.observer = f"client through {'; '.join(seen)}"
        return None

    def heal(self) -> None:
        """See `Action.heal`."""
        for target in self.targets:
            self.around.system.set_link(target.name, None)

    def not_steady(self) -> str | None:
        """See `Action.not_steady`: the links are as fast as before, and the whole system is as it should be."""
        for target in self.targets:
            door, usual = self._door(target), self.usual[target.name]
            seen = door.knock(doors.HEALTHY_PATIENCE)
            if seen.outcome is not Outcome.ANSWERS:
                return f"a client of link {target.name} finds that {door} {seen.outcome}"
            if seen.seconds > 3 * usual + NARROW:
                return f"link {target.name} answers after {seen.seconds:.3f} s, {usual:.3f} s before the fault"
        return self.around.unsteady()

    def clean_up(self) -> None:
        """See `Action.clean_up`; nothing was taken."""

    def _door(self, target: Target) -> Door:
        return doors.of_link(self.around.system, target.name)

    def _look(self, target: Target) -> tuple[str | None, str]:
        """What is missing (None: nothing), and what was met."""
        condition, door = self.condition, self._door(target)
        if condition.cut or condition.reset:
            wanted = Outcome.REFUSES if condition.cut else Outcome.RESETS
            met = door.knock().outcome
            return (None if met is wanted else f"{door} {met}, expected that it {wanted}"), str(met)
        if condition.hang:
            return self._hangs(target, door)
        if condition.bandwidth_bytes_per_second and not condition.latency_ms:
            return self._is_narrow(target, door)
        return self._is_late(target, door)

    def _hangs(self, target: Target, door: Door) -> tuple[str | None, str]:
        before = self.around.system.link_counters(target.name)
        met = door.knock(HANG_SILENCE).outcome
        after = self.around.system.link_counters(target.name)
        if met is not Outcome.SILENT:
            return f"{door} {met}, expected that it {Outcome.SILENT}", str(met)
        for direction, count in _BYTES.items():
            if self.condition.of(direction).hang and after[count] != before[count]:
                return f"{after[count] - before[count]} bytes passed {direction}, expected none", str(met)
        return None, f"{met}, nothing passed"

    def _is_late(self, target: Target, door: Door) -> tuple[str | None, str]:
        condition, usual = self.condition, self.usual[target.name]
        directions = sum(1 for direction in _BYTES if condition.of(direction).latency_ms)
        added = directions * condition.latency_ms / 1000
        if added < 2 * usual:
            raise Inconclusive(
                f"{added:.3f} s more cannot be told from the {usual:.3f} s that link {target.name} usually needs"
            )
        patience = PATIENCE + 2 * (added + directions * condition.jitter_ms / 1000)
        times = [door.knock(patience) for _ in range(KNOCKS if condition.jitter_ms else 1)]
        if any(seen.outcome is not Outcome.ANSWERS for seen in times):
            return f"{door} {[str(seen.outcome) for seen in times]}, expected that it answers, but late", ""
        mean = statistics.fmean(seen.seconds for seen in times)
        least = 0.6 * added if condition.jitter_ms else 0.95 * added
        met = f"answers after {mean:.3f} s, before the fault after {usual:.3f} s"
        return (None if mean >= least else f"{met}, expected {added:.3f} s more"), met

    def _is_narrow(self, target: Target, door: Door) -> tuple[str | None, str]:
        condition, usual = self.condition, self.usual[target.name]
        rate = condition.bandwidth_bytes_per_second
        needed = PADDING / rate
        if condition.of(TO_SERVER).bandwidth_bytes_per_second and needed >= max(NARROW, 2 * usual):
            seen = door.knock(PATIENCE + 3 * needed, padding=PADDING)
            met = f"answers a request of {PADDING} bytes after {seen.seconds:.3f} s"
            late = seen.outcome is Outcome.ANSWERS and seen.seconds >= 0.7 * needed
            return (None if late else f"{door} {seen.outcome}, {met}, expected {needed:.3f} s"), met
        return self._counts_narrow(target, rate)

    def _counts_narrow(self, target: Target, rate: float) -> tuple[str | None, str]:
        """Too wide for one request to tell: count what passes of the traffic there is."""
        name = next(count for direction, count in _BYTES.items() if self.condition.of(direction) == self.condition)
        if self.condition.direction == "both":
            name = _BYTES[TO_CLIENT]
        begin, before = time.monotonic(), self.around.system.link_counters(target.name)[name]
        time.sleep(COUNTED_SECONDS)
        passed = self.around.system.link_counters(target.name)[name] - before
        measured = passed / (time.monotonic() - begin)
        met = f"carries {measured:.0f} bytes/s of the {rate:.0f} allowed"
        return (None if 0.5 * rate <= measured <= 1.2 * rate else f"{met}, expected that its traffic fills it"), met
