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
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.errors import EnvironmentProblem

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = ROOT / "variables"

Port = Annotated[int, Field(ge=1, le=65535)]
Settings = dict[str, str | int | float | bool]


class Section(BaseModel):
    """Every part of an environment file refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Program(Section):
    """A server program: where it is, which version is wanted, what to set beyond our defaults."""

    path: Path | None = None  # a program, or for PostgreSQL its bin directory; null: PATH, then the Python package
    version: str | None = None  # prefix the found program's version must have, such as "18" or "3.5"
    port: Port | None = None  # null: a free one
    settings: Settings = {}  # lines of the server's own configuration, on top of ours


class Patroni(Program):
    """Patroni's members and the timings that decide how long a failover may take (seconds)."""

    members: Annotated[int, Field(ge=1, le=7)] = 3
    ttl: Annotated[int, Field(ge=1)] = 20
    loop_wait: Annotated[int, Field(ge=1)] = 1
    retry_timeout: Annotated[int, Field(ge=1)] = 3
    synchronous_mode: bool = False
    failsafe_mode: bool = False
    primary_start_timeout: Annotated[int, Field(ge=0)] = 300
    maximum_lag_on_failover: Annotated[int, Field(ge=0)] = 1048576  # bytes
    member_settings: dict[str, Settings] = {}  # like `settings`, for one member alone, by its name


class Cache(Program):
    """The reference cache client that RC-07..17 put under test."""

    ttl: Annotated[float, Field(gt=0)] = 300.0  # seconds


class Citus(Program):
    """A coordinator and its workers; `path` is an installation of Citus (a directory with lib/ and share/)."""

    workers: Annotated[int, Field(ge=2, le=8)] = 2
    shard_count: Annotated[int, Field(ge=4, le=128)] = 32


class Vector(Section):
    """The vector extension by its names, so that another one (RuVector) can stand in pgvector's place."""

    extension: str = "vector"
    type: str = "vector"
    access_method: str = "hnsw"
    operator_class: str = "vector_cosine_ops"
    operator: str = "<=>"


class Defects(Section):
    """Wrong behaviour on purpose: only the proof writes this section, and every report names it."""

    name: str
    sql: list[str] = []  # run as superuser on the primary after the schema is there
    patroni: dict[str, Any] = {}  # merged into the cluster's dynamic configuration when it is up
    coordinator_sql: list[str] = []  # the same on the Citus coordinator
    worker_sql: list[str] = []  # the same on the last Citus worker
    links: dict[str, dict[str, float | str | bool]] = {}  # link name -> condition it has from the start
    cache: str | None = None  # a switch of the reference cache client


class ClusterServices(Section):
    """The services the distributed PostgreSQL cluster is made of."""

    postgresql: Program = Program(version="18")
    etcd: Program = Program()
    patroni: Patroni = Patroni()
    haproxy: Program = Program()
    redis: Program = Program()
    cache: Cache = Cache()
    citus: Citus | None = None  # null: not there, and its criteria are skipped


class ClusterAddresses(Section):
    """How to reach a cluster that already runs (external driver only)."""

    primary: str  # host:port that leads to the primary
    replicas: str  # host:port that leads to the standbys
    haproxy_statistics: str | None = None  # URL of the statistics page
    patroni: list[str] = []  # REST addresses; one that answers is enough
    redis: str | None = None  # host:port
    cache: str | None = None  # URL of the cache client
    citus_coordinator: str | None = None  # host:port
    database: str = "acceptance"
    user: str
    password: str  # %{ENVIRONMENT_VARIABLE}
    superuser: str | None = None
    superuser_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    redis_password: str | None = None  # %{ENVIRONMENT_VARIABLE}


class Cluster(Section):
    """The distributed PostgreSQL cluster: what it declares, and its services or its addresses."""

    capabilities: list[str]
    services: ClusterServices = ClusterServices()
    addresses: ClusterAddresses | None = None
    vector: Vector = Vector()


class Systems(Section):
    """The systems this environment provides; a system that is missing has all its criteria skipped."""

    cluster: Cluster | None = None


class EnvironmentFile(Section):
    """One environment, as a file under `variables/` describes it."""

    name: str
    driver: Literal["embedded", "external"]
    run_directory: Path | None = None  # where services keep their data; null: below the temporary directory
    minimum_free_mib: Annotated[int, Field(ge=0)] = 1024
    timeout_multiplier: Annotated[float, Field(ge=1.0, le=20.0)] = 1.0
    systems: Systems
    defects: Defects | None = None


CAPABILITIES: dict[str, str] = {
    "postgresql": "a primary port and a replica port of one PostgreSQL cluster",
    "vector": "the vector extension with an index access method",
    "patroni": "Patroni's REST API on every member",
    "haproxy": "HAProxy's statistics page",
    "redis": "a Redis server",
    "cache": "a cache client in front of Redis and the database",
    "citus": "a Citus coordinator with at least two workers",
    "process-faults": "services can be stopped, killed and frozen",
    "link-faults": "client links can be cut, delayed and throttled",
}
"""What an environment may declare of the cluster, and what a criterion may need."""

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


def citus_overlay(cluster: Cluster, directory: Path) -> dict[str, Any]:
    """What to lay over an environment file to declare an installation of Citus.

    Args:
        cluster: of the file; its other capabilities stay.
        directory: that Citus is installed in.
    """
    capabilities = [*cluster.capabilities, *(["citus"] if "citus" not in cluster.capabilities else [])]
    services = {"citus": {"path": str(directory.expanduser().absolute())}}
    return {"systems": {"cluster": {"capabilities": capabilities, "services": services}}}


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
        case _:
            return f"{path.name}: {key}: {error['msg'][0].lower()}{error['msg'][1:]}{shown}"


def _looks_secret(key: str) -> bool:
    return "password" in key


def _capability_problems(path: Path, environment: EnvironmentFile) -> list[str]:
    cluster = environment.systems.cluster
    if cluster is None:
        return []
    key = f"{path.name}: systems.cluster"
    problems = [
        f"{key}.capabilities: '{name}' is unknown; use any of: {', '.join(CAPABILITIES)}"
        for name in cluster.capabilities
        if name not in CAPABILITIES
    ]
    if environment.driver == "external" and cluster.addresses is None:
        problems.append(f"{key}.addresses: missing; an external environment says where its servers are")
    if environment.driver == "embedded" and cluster.addresses is not None:
        problems.append(f"{key}.addresses: only for driver 'external'; remove it, embedded chooses its own")
    if environment.driver == "embedded" and ("citus" in cluster.capabilities) != (cluster.services.citus is not None):
        problems.append(f"{key}: capability 'citus' and services.citus go together; give both or neither")
    return problems


def _secret_problems(path: Path, environment: EnvironmentFile) -> list[str]:
    cluster = environment.systems.cluster
    if environment.driver != "external" or cluster is None or cluster.addresses is None:
        return []
    problems = []
    for field, value in cluster.addresses:
        if not _looks_secret(field) or value is None:
            continue
        match = _SECRET.match(value)
        key = f"{path.name}: systems.cluster.addresses.{field}"
        if match is None:
            problems.append(f"{key}: must not stand in the file; write %{{VARIABLE}} and export that variable")
        elif match.group(1) not in os.environ:
            problems.append(f"{key}: the environment variable {match.group(1)} is not set; export it")
    return problems
