"""Compares what was asked for with what exists, and chooses the criteria to run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import environments
from criteria import PHASES, CriteriaProblem, Criterion, Kill, LastVerdict, catalogue
from environments.config import VARIABLES, EnvironmentFile, Systems, is_environment, load_environment, merged
from environments.errors import EnvironmentProblem
from environments.sections.cluster import citus_overlay
from runner.arguments import PROFILES, Request
from runner.places import Places
from runner.usage import UsageProblem, unknown

VENDORS = {"fraiseql": ("FraiseQL", "gateway", "path"), "pgdog": ("PgDog", "proxy", "source")}
"""What `--vendor` replaces of each system: its name, the service, and the key that a directory is for."""


def chosen_criteria(request: Request, places: Places) -> list[Criterion]:
    """Return the criteria that a request selects, in the order in which they run.

    Raises:
        UsageProblem: a name does not exist, or nothing matches all that was asked for.
    """
    try:
        known = catalogue(places.suites, places.registry)
    except CriteriaProblem as problem:
        raise UsageProblem(*problem.problems) from None
    systems = sorted({*Systems.model_fields, *(criterion.system for criterion in known)})
    for kind, given, names in (
        ("system", request.systems, systems),
        ("phase", request.phases, PHASES),
        ("criterion", request.criteria, [criterion.id for criterion in known]),
        ("profile", (request.profile,), PROFILES),
    ):
        for name in given:
            if name not in names:
                raise unknown(kind, name, names)
    chosen = [
        criterion
        for criterion in known
        if (not request.systems or criterion.system in request.systems)
        and (not request.phases or criterion.phase in request.phases)
        and (not request.criteria or criterion.id in request.criteria)
    ]
    if not chosen:
        asked = [*request.systems, *request.phases, *request.criteria]
        what = f"no criterion is all of: {', '.join(asked)}" if asked else f"{places.suites} holds no criterion"
        raise UsageProblem(f"{what}; ./run.sh --list shows what there is")
    return chosen


def chosen_environment(request: Request, systems: Collection[str] = ()) -> EnvironmentFile:
    """Return the environment that a request names, with Citus and vendors' programs laid over it when wanted.

    Args:
        request: what was asked for.
        systems: those of the chosen criteria; only their vendors' programs are taken.

    Raises:
        UsageProblem: there is no such environment, the file has mistakes, or something it needs is missing; one
            line each, and nothing has been started.
    """
    try:
        environment = _loaded(request, systems)
        problems = preflight(environment)
    except EnvironmentProblem as problem:
        raise UsageProblem(*problem.problems) from None
    if problems:
        raise UsageProblem(*problems)
    return environment


def fetch(environment: EnvironmentFile, criteria: Sequence[Criterion]) -> None:
    """Get over the network what the chosen criteria need and this machine does not have yet.

    Raises:
        UsageProblem: something cannot be had; nothing has been started.
    """
    try:
        environments.fetch(environment, {criterion.system for criterion in criteria})
    except EnvironmentProblem as problem:
        raise UsageProblem(*problem.problems) from None


def preflight(environment: EnvironmentFile) -> list[str]:
    """Return what of this machine keeps an environment from being used, one line each."""
    return list(environments.preflight(environment))


def _loaded(request: Request, systems: Collection[str]) -> EnvironmentFile:
    name = request.environment
    is_name = "/" not in name and not name.endswith((".yaml", ".yml"))
    names = sorted(path.stem for path in VARIABLES.glob("*.yaml") if is_environment(path))
    if is_name and name not in names:
        raise unknown("environment", name, names)
    environment = load_environment(name)
    overlay = _citus_overlay(environment, request) if request.citus is not None else {}
    if request.vendor:
        overlay = merged(overlay, _vendor_overlay(environment, request, systems))
    return load_environment(name, overlay) if overlay else environment


def _citus_overlay(environment: EnvironmentFile, request: Request) -> dict[str, Any]:
    cluster = environment.systems.cluster
    if environment.driver != "embedded" or cluster is None:
        raise UsageProblem(
            f"--with-citus: environment '{environment.name}' does not start the cluster itself; "
            "declare the capability citus in its file"
        )
    assert request.citus is not None
    directory = request.citus.expanduser().absolute()
    if missing := _missing_of_citus(request):
        raise UsageProblem(
            f"--with-citus: no {missing} below {directory}; name the directory that an installation of Citus "
            "is in (--with-citus DIR)"
        )
    return citus_overlay(cluster, directory)


def _vendor_overlay(environment: EnvironmentFile, request: Request, systems: Collection[str]) -> dict[str, Any]:
    wanted = [name for name in VENDORS if name in systems]
    names = " and ".join(VENDORS[name][0] for name in wanted or VENDORS)
    if not wanted:
        raise UsageProblem(f"--vendor: only {names} have a vendor's program here; choose criteria of theirs")
    started = environment.systems.provided if environment.driver == "embedded" else {}
    if lacking := [VENDORS[name][0] for name in wanted if name not in started]:
        raise UsageProblem(
            f"--vendor: environment '{environment.name}' does not start {' and '.join(lacking)} itself; "
            "use one that does, such as embedded"
        )
    directory = request.vendor_directory
    if directory and len(wanted) > 1:
        raise UsageProblem(
            f"--vendor {directory}: means something else for each of {names}; choose one of them with --system"
        )
    where = str(directory.expanduser().absolute()) if directory else None
    services = {name: {VENDORS[name][1]: {"vendor": True, VENDORS[name][2]: where}} for name in wanted}
    return {"systems": {name: {"services": service} for name, service in services.items()}}


def _missing_of_citus(request: Request) -> str | None:
    assert request.citus is not None
    directory = request.citus.expanduser()
    for pattern in ("lib/**/citus.so", "share/**/extension/citus.control"):
        if next(directory.glob(pattern), None) is None:
            return pattern.replace("**/", "")
    return None


def listing(
    criteria: Sequence[Criterion], verdicts: Mapping[str, LastVerdict], kills: Mapping[str, Kill] | None = None
) -> str:
    """Return the table that `--list` prints, at most 120 columns wide.

    Args:
        criteria: one line each.
        verdicts: what each said when it last ran, by id.
        kills: when each last failed on its defect, by id.
    """
    kills = kills or {}
    lines = [f"{'id':<7}{'phase':<13}{'last verdict':<29}{'proven':<8}criterion"]
    for criterion in criteria:
        last = verdicts.get(criterion.id)
        told = f"{last.verdict:<13}{last.date[5:10]} {last.sha[:8]}" if last else "never run"
        proven = kills[criterion.id].date[5:] if criterion.id in kills else "no"
        line = f"{criterion.id:<7}{criterion.phase:<13}{told:<29}{proven:<8}{criterion.statement}"
        lines.append(line if len(line) <= 120 else line[:119] + "…")
    judged = sum(verdicts[c.id].verdict == "pass" for c in criteria if c.id in verdicts)
    able = sum(c.id in kills for c in criteria)
    total = f"{len(criteria)} criteria, {judged} of them passed when they last ran, {able} are proven able to fail"
    return "\n".join([*lines, total])
