"""The environment file: its shape, its defaults and the one line it answers each mistake with.

The shape is closed: an unknown key is a mistake, so that a typing error can never switch a setting off
silently. `extends` names another environment file whose keys this one overrides.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from environments.errors import EnvironmentProblem
from environments.sections import broker as broker_section
from environments.sections import cluster as cluster_section
from environments.sections import fraiseql as fraiseql_section
from environments.sections import pgdog as pgdog_section
from environments.sections.base import MEANS, Section, SystemSection

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = ROOT / "variables"

CAPABILITIES: dict[str, dict[str, str]] = {
    "cluster": cluster_section.CAPABILITIES | MEANS,
    "broker": broker_section.CAPABILITIES | MEANS,
    "fraiseql": fraiseql_section.CAPABILITIES | MEANS,
    "pgdog": pgdog_section.CAPABILITIES | MEANS,
}
"""What an environment may declare of each system, with what it means."""


class Defects(Section):
    """Wrong behaviour on purpose: only the proof writes this section, and every report names it."""

    name: str
    sql: list[str] = Field(default=[])  # run as superuser on the (primary) database after the schema is there
    patroni: dict[str, Any] = Field(default={})  # merged into the cluster's dynamic configuration when it is up
    coordinator_sql: list[str] = Field(default=[])  # the same on the Citus coordinator
    worker_sql: list[str] = Field(default=[])  # the same on the last Citus worker
    links: dict[str, dict[str, float | str | bool]] = Field(default={})  # link name -> condition it has from the start
    cache: str | None = None  # a switch of the reference cache client
    broker: str | None = None  # a switch of the reference broker
    gateway: str | None = None  # a switch of the reference gateway
    observers: str | None = None  # a switch of the reference observers
    proxy: str | None = None  # a switch of the reference mirror proxy
    codec: Literal["checksums-unread", "one-at-a-time"] | None = None  # a mistake in using the Protocol V2 codec


class Systems(Section):
    """The systems this environment provides; a system that is missing has all its criteria skipped."""

    cluster: cluster_section.Cluster | None = None
    broker: broker_section.Broker | None = None
    fraiseql: fraiseql_section.Fraiseql | None = None
    pgdog: pgdog_section.Pgdog | None = None

    @property
    def provided(self) -> dict[str, SystemSection]:
        """The systems that are there, by name."""
        return {name: section for name, section in self if section is not None}


class EnvironmentFile(Section):
    """One environment, as a file under `variables/` describes it."""

    name: str
    driver: Literal["embedded", "external"]
    run_directory: Path | None = None  # where services keep their data; null: below the temporary directory
    minimum_free_mib: Annotated[int, Field(ge=0)] = 1024
    timeout_multiplier: Annotated[float, Field(ge=1.0, le=20.0)] = 1.0
    systems: Systems
    defects: Defects | None = None


_SECRET = re.compile(r"^%\{([A-Za-z_][A-Za-z0-9_]*)\}$")


def environment_path(name_or_file: str) -> Path:
    """Find an environment by its name (a file of `variables/`) or by its path.

    Raises:
        EnvironmentProblem: no such file; the line lists the names there are.
    """
    if name_or_file.endswith((".yaml", ".yml")):
        path = Path(name_or_file)
    else:
        path = VARIABLES / f"{name_or_file}.yaml"
    if path.is_file():
        return path
    known = ", ".join(sorted(p.stem for p in VARIABLES.glob("*.yaml") if is_environment(p)))
    raise EnvironmentProblem(f"environment '{name_or_file}': no such file ({path}); use a path or one of: {known}")


def is_environment(path: Path) -> bool:
    """Tell environment files from the other YAML files of `variables/` by their `driver` or `extends` key."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return isinstance(content, dict) and bool({"driver", "extends"} & content.keys())


def load_environment(name_or_file: str, overlay: dict[str, Any] | None = None) -> EnvironmentFile:
    """Read, merge and validate an environment file.

    Args:
        name_or_file: a name under `variables/` or a path.
        overlay: keys laid over the file, as the proof and `--with-citus` do.

    Raises:
        EnvironmentProblem: one line per mistake, each naming the key and the cure.
    """
    path = environment_path(name_or_file)
    content = merged(_read(path, ()), overlay or {})
    try:
        environment = EnvironmentFile.model_validate(content)
    except ValidationError as error:
        raise EnvironmentProblem(*(_line(path, e) for e in error.errors())) from None
    problems = [*_capability_problems(path, environment), *_secret_problems(path, environment)]
    if problems:
        raise EnvironmentProblem(*problems)
    return environment


def resolved_secret(reference: str) -> str:
    """Return the value of the environment variable that a `%{NAME}` reference of a validated file names."""
    match = _SECRET.match(reference)
    assert match, "validated before"
    return os.environ[match.group(1)]


def merged(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, key by key; anything but a mapping is replaced whole."""
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise EnvironmentProblem(f"{path.name}: 'extends' goes round in a circle; remove one of the links")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read ({error.strerror}); check the path and permissions") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        raise EnvironmentProblem(f"{path.name}: is not valid YAML{place}; mend the syntax there") from None
    if not isinstance(content, dict):
        raise EnvironmentProblem(f"{path.name}: must be a mapping of keys such as 'name', 'driver' and 'systems'")
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise EnvironmentProblem(f"{path.name}: extends: must name one environment, such as 'embedded'")
    beside = path.parent / f"{base}.yaml"
    return merged(_read(beside if beside.is_file() else environment_path(base), (*seen, path)), content)


def _line(path: Path, error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "(the file)"
    given = error.get("input")
    shown = "" if isinstance(given, dict | list) or _looks_secret(key) else f", not {given!r}"
    match error["type"]:
        case "extra_forbidden":
            return f"{path.name}: {key}: unknown key; remove it or correct its spelling"
        case "missing":
            return f"{path.name}: {key}: missing; add this key"
        case "literal_error":
            return f"{path.name}: {key}: must be {error['ctx']['expected']}{shown}"
        case "value_error":
            return f"{path.name}: {key}: {error['ctx']['error']}"
        case _:
            return f"{path.name}: {key}: {error['msg'][0].lower()}{error['msg'][1:]}{shown}"


def _looks_secret(key: str) -> bool:
    return key.endswith(("password", "_secret", "_token"))


def _capability_problems(path: Path, environment: EnvironmentFile) -> list[str]:
    problems = []
    for name, section in environment.systems.provided.items():
        key = f"{path.name}: systems.{name}"
        problems += _undeclarable(key, CAPABILITIES[name], section)
        addresses = getattr(section, "addresses", None)
        if environment.driver == "external" and addresses is None:
            problems.append(f"{key}.addresses: missing; an external environment says where its servers are")
        if environment.driver == "embedded" and addresses is not None:
            problems.append(f"{key}.addresses: only for driver 'external'; remove it, embedded chooses its own")
    return problems + _citus_problems(path, environment)


def _citus_problems(path: Path, environment: EnvironmentFile) -> list[str]:
    wanted = environment.systems.cluster
    if environment.driver != "embedded" or wanted is None:
        return []
    if ("citus" in wanted.capabilities) == (wanted.services.citus is not None):
        return []
    return [f"{path.name}: systems.cluster: capability 'citus' and services.citus go together; give both or neither"]


def _undeclarable(key: str, known: dict[str, str], section: SystemSection) -> list[str]:
    try:
        declared = section.declared
    except ValueError as error:
        return [f"{key}.services: {error}; correct the path or the file"]
    unknown = [*(name for name in section.capabilities if name not in known)]
    unknown += sorted(declared - known.keys() - set(unknown))
    return [f"{key}.capabilities: '{name}' is unknown; use any of: {', '.join(known)}" for name in unknown]


def _secret_problems(path: Path, environment: EnvironmentFile) -> list[str]:
    if environment.driver != "external":
        return []
    problems = []
    for name, section in environment.systems.provided.items():
        for field, value in getattr(section, "addresses", None) or ():
            if not _looks_secret(field) or value is None:
                continue
            match = _SECRET.match(value)
            key = f"{path.name}: systems.{name}.addresses.{field}"
            if match is None:
                problems.append(f"{key}: must not stand in the file; write %{{VARIABLE}} and export that variable")
            elif match.group(1) not in os.environ:
                problems.append(f"{key}: the environment variable {match.group(1)} is not set; export it")
    return problems
