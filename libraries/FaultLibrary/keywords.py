"""The keyword class of FaultLibrary."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Literal

from robot import result as robot_result
from robot import running as robot_running
from robot.api import logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from EnvironmentLibrary.context import criterion, record_time
from environments.system import ClusterAddresses, System, running, system
from FaultLibrary import evidence
from FaultLibrary.in_force import faults, faults_in_force
from FaultLibrary.lifecycle import Action, Fault, OutOfOrder, Step
from FaultLibrary.link_faults import LinkFault
from FaultLibrary.service_faults import FreezeFault, KillFault, KillNodeFault, StopFault, Surroundings
from FaultLibrary.steady import cluster_unsteady, patroni_of
from measurement.verdicts import Inconclusive
from PatroniLibrary.rest import Member, PatroniApi, PatroniUnreachable, Topology
from runner import progress
from TemporalLibrary.core import wait_until

EFFECT = timedelta(seconds=10)
STEADY = timedelta(seconds=60)  # a killed leader that is cloned anew needs 20 s here, times three

Direction = Literal["both", "to-server", "to-client"]
Part = Literal["all", "patroni", "postmaster", "walsenders"]


class FaultKind(Enum):
    """What can be done to a service or a link."""

    STOP = "stop"
    KILL = "kill"
    KILL_NODE = "kill-node"
    FREEZE = "freeze"
    LINK = "link"


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", listener="SELF")
class FaultLibrary:
    """Break services and links on purpose, see that they are broken, and heal them.

    Every fault goes through six steps: prepare and inject (`Inject Fault`), be seen in effect by somebody else than
    the injector (`Fault Should Be In Effect`), heal (`Heal Fault`), be steady again and clean up
    (`System Should Be Steady Again`). `Heal All Faults` belongs in every teardown; a fault that a test leaves in
    force is healed when it ends, and the test fails.

    | Target                                      | Meaning                                                 |
    |---------------------------------------------|---------------------------------------------------------|
    | `leader`, `sync standby`                    | the member that has this role at the moment of injection |
    | `any replica`, `any member`                 | one of them, chosen by the seed of the run              |
    | `all replicas`, `all members`               | all of them at once                                     |
    | `etcd`, `redis`, `member2`, `broker`, ...   | the service of that name                                |
    | `client-primary`, `leader-etcd`, ...        | for kind `link`: a link, or that of the member with a role |
    """

    def __init__(self) -> None:
        self._faults = faults
        self._system: System | None = None
        self._known: dict[str, Member] = {}  # members seen since the system started, by name
        self._chance = random.Random()

    # -- the six steps -------------------------------------------------------------------------------------

    @keyword(tags=["faults"])
    def inject_fault(
        self, kind: FaultKind, target: str, part: Part = "all", **condition: float | bool | Direction
    ) -> Fault:
        """Prepare a fault and inject it. It is not known to be in effect before `Fault Should Be In Effect`.

        Args:
            kind: `stop` as an operator would, `kill` with SIGKILL, `kill-node` with all processes dying in one instant,
              `freeze` with SIGSTOP, or `link`.
            target: what to hit, by role or by name.
            part: of a member, only these processes.
            **condition: for kind `link`, such as `cut=True`, `hang=True`, `reset=True`, `latency_ms=50`, `jitter_ms=5`,
              `bandwidth_bytes_per_second=10000`, `direction=to-client`.

        Returns:
            The fault, with what it really hit.

        Raises:
            ValueError: no such target, part or condition.
            Inconclusive: the target is not well before the fault, or no member has that role.
        """
        self._meet_system()
        fault = Fault(kind.value, target, self._action(kind, target, part, condition), criterion(), _owner())
        fault.prepare()
        self._faults.append(fault)
        try:
            fault.inject()
        finally:
            _show()
        logger.info(f"injected: {fault}, processes {[hit.pids for hit in fault.hit if hit.pids]}")
        return fault

    @keyword(tags=["faults"])
    def fault_should_be_in_effect(self, within: timedelta = EFFECT) -> None:
        """Wait until independent observers see every injected fault: the process table, and a client of the service.

        Args:
            within: the deadline; the environment's `timeout_multiplier` lengthens it.

        Raises:
            Inconclusive: "fault not seen in effect", and what of it is missing.
        """
        for fault in self._open(Step.INJECTED, Step.IN_EFFECT, "injected"):
            with progress.step(f"{fault} to be in effect", within):
                fault.observe(_scaled(within))
            logger.info(f"in effect after {_between(fault, Step.INJECTED, Step.IN_EFFECT)}: {fault.action.observer}")

    @keyword(tags=["faults"])
    def fault_should_stay_in_effect_for(self, duration: timedelta) -> None:
        """Keep every fault in force for a while, and see that it is, all the time.

        Args:
            duration: how long; it is never lengthened.

        Raises:
            Inconclusive: an effect ended early.
        """
        for fault in self._open(Step.IN_EFFECT, Step.HEALED, "seen in effect")[-1:]:
            with progress.step(f"{fault} stays in effect", duration):
                fault.stay_in_effect(duration.total_seconds())

    @keyword(tags=["faults"])
    def heal_fault(self, target: str | None = None) -> None:
        """Write down how the system is, then heal every fault in force, the last one first; or only that of a target.

        Args:
            target: as it was named to `Inject Fault`; left out: all faults.

        Raises:
            Inconclusive: one had not been seen in effect; it is healed all the same.
        """
        found = self._open(Step.INJECTED, Step.HEALED, "injected")
        if target is not None and not any(fault.target == target for fault in found):
            raise OutOfOrder(f"no fault of '{target}' is in force; there are: {'; '.join(map(str, found))}")
        healed = self._heal([fault for fault in found if target in (None, fault.target)])
        unseen = [str(fault) for fault in healed if not fault.reached(Step.IN_EFFECT)]
        if unseen:
            raise Inconclusive(f"healed before it was seen in effect: {'; '.join(unseen)}")

    @keyword(tags=["faults"])
    def system_should_be_steady_again(self, within: timedelta = STEADY) -> None:
        """Wait until every healed service and link answers as before and the system is steady; then clean up.

        A cluster is steady when every member runs and is listed, one leads, all others stream from it, and HAProxy
        leads clients to them; other systems are when their services answer.

        Args:
            within: the deadline; the environment's `timeout_multiplier` lengthens it.

        Raises:
            AssertionError: the system is not steady by then; with the first thing that is missing.
        """
        self._meet_system()
        in_force = [str(fault) for fault in self._faults if fault.in_force]
        if in_force:
            raise OutOfOrder(f"the system cannot be steady again before it is healed of: {'; '.join(in_force)}")
        self._await_steady(_scaled(within))

    @keyword(tags=["faults"])
    def heal_all_faults(self, within: timedelta = STEADY) -> None:
        """For teardowns: heal whatever is in force, wait until the system is steady, and clean up.

        Does nothing when there is nothing to do. Evidence is collected before anything is healed.

        Args:
            within: deadline of the wait; the environment's `timeout_multiplier` lengthens it.

        Raises:
            AssertionError: something could not be healed, or the system is not steady by then.
        """
        self._heal([fault for fault in self._faults if fault.in_force])
        if self._faults:
            self._await_steady(_scaled(within))

    @keyword(tags=["faults"])
    def services_hit_by_fault(self) -> list[str]:
        """Return the names of the services or links that the last fault really hit."""
        if not self._faults:
            raise OutOfOrder("no fault has been injected, or it is over")
        return [hit.service or hit.link for hit in self._faults[-1].hit]

    @keyword(tags=["faults"])
    def choose_an_order(self, *targets: str) -> list[str]:
        """Return targets in an order that the seed of the run chooses, and tell it in the log."""
        self._meet_system()
        order = self._chance.sample(targets, len(targets))
        logger.info(f"by the seed {running().seed} of the run the order is: {', '.join(order)}")
        return order

    # -- listener: no fault outlives the test or suite it belongs to ---------------------------------------

    def end_test(self, data: robot_running.TestCase, result: robot_result.TestCase) -> None:
        """Heal what the test left in force, and fail it for that."""
        if problem := self._left_over(data.full_name):
            result.status = "FAIL"
            result.message = f"{result.message}\n\n{problem}".strip()

    def end_suite(self, data: robot_running.TestSuite, result: robot_result.TestSuite) -> None:
        """Heal what the suite's own setup left in force."""
        if problem := self._left_over(data.full_name):
            logger.error(problem)

    def _left_over(self, owner: str) -> str:
        left = [fault for fault in self._faults if fault.in_force and fault.owner == owner]
        if not left:
            return ""
        names = "; ".join(map(str, left))
        try:
            self._heal(left)
        except AssertionError as error:
            return f"left in force: {names}; {error}"
        return f"left in force: {names}; healed now, but nobody saw the system steady again. Heal it in the teardown"

    # -- how -----------------------------------------------------------------------------------------------

    def _meet_system(self) -> None:
        if (now := system()) is not self._system:  # another one was started since
            self._system, self._known = now, {}
            self._faults.clear()
            self._chance = random.Random(running().seed)

    def _action(self, kind: FaultKind, target: str, part: Part, condition: Mapping[str, float | bool | str]) -> Action:
        around = Surroundings(system(), self._view, self._unsteady, self._chance, self._known)
        if kind is FaultKind.LINK:
            if part != "all":
                raise ValueError(f"a link has no part '{part}'; leave it out")
            return LinkFault(around, target, condition)
        if condition:
            raise ValueError(f"{', '.join(condition)}: only a link has conditions; use kind 'link' or leave them out")
        if kind in (FaultKind.STOP, FaultKind.KILL_NODE) and part != "all":
            raise ValueError(f"'{kind.value}' always concerns the whole service; use kind 'kill' for part '{part}'")
        actions = {
            FaultKind.STOP: StopFault,
            FaultKind.KILL: KillFault,
            FaultKind.KILL_NODE: KillNodeFault,
            FaultKind.FREEZE: FreezeFault,
        }
        return actions[kind](around, target, part)

    def _view(self) -> Topology:
        urls = patroni_of(system())
        view = PatroniApi(urls).topology() if urls else Topology(())
        self._known.update({member.name: member for member in view.members})
        return view

    def _unsteady(self) -> str | None:
        where = system().addresses
        if not isinstance(where, ClusterAddresses) or not where.patroni:
            return None
        try:
            view = self._view()
        except PatroniUnreachable as error:
            return str(error)
        return cluster_unsteady(where, view, self._known)

    def _open(self, after: Step, before: Step, what: str) -> list[Fault]:
        found = [f for f in self._faults if f.reached(after) and not f.reached(before) and not f.reached(Step.HEALED)]
        if not found:
            raise OutOfOrder(f"no fault is {what} and not yet {before.value.replace('_', ' ')}")
        return found

    def _heal(self, faults: list[Fault]) -> list[Fault]:
        failures = []
        for fault in reversed(faults):
            logger.info(f"evidence: {self._evidence(fault)}")
            try:
                fault.heal()
            except Exception as error:  # noqa: BLE001, the others are healed whatever is wrong with this one
                failures.append(f"{fault}: {type(error).__name__}: {error}")
        _show()
        if failures:
            raise AssertionError(f"could not be healed: {'; '.join(failures)}")
        return faults

    def _evidence(self, fault: Fault) -> str:
        try:
            return str(evidence.collect(Path(running().results), system(), fault))
        except Exception as error:  # noqa: BLE001, what cannot be written down must not keep a fault in force
            return f"none, {type(error).__name__}: {error}"

    def _await_steady(self, within: float) -> None:
        over = [fault for fault in self._faults if not fault.in_force]
        taken = 0.0
        try:
            with progress.step("the system to be steady again", within):
                if not over:
                    taken = wait_until(self._unsteady, within, "the system to be steady")
                for fault in over:
                    if fault.reached(Step.HEALED):
                        fault.become_steady(within)
                        taken += fault.events[Step.STEADY] - fault.events[Step.HEALED]
        finally:
            record_time("steady again", "waiting", taken)
            for fault in over:
                self._end(fault)

    def _end(self, fault: Fault) -> None:
        self._faults.remove(fault)
        try:
            fault.clean_up()
        finally:
            evidence.append_record(Path(running().results), fault)


def _owner() -> str:
    """The full name of the test that runs, or of the suite whose setup does; "" outside of Robot Framework."""
    try:
        variable = BuiltIn().get_variable_value
        suite, test = variable("${SUITE NAME}"), variable("${TEST NAME}")
    except RobotNotRunningError:
        return ""
    return f"{suite}.{test}" if test else str(suite)


def _show() -> None:
    progress.fault(", ".join(map(str, faults_in_force())) or None)


def _scaled(duration: timedelta) -> float:
    return duration.total_seconds() * running().timeout_multiplier


def _between(fault: Fault, first: Step, second: Step) -> str:
    return f"{fault.events[second] - fault.events[first]:.2f} s"
