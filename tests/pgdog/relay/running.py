"""Two real servers, and a proxy between them in this process, with its numbers at hand."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg2
import uvloop

from environments.embedded import programs
from environments.embedded.ports import HOST, Ports
from environments.sections.base import Program
from reference.pgdog.relay.server import MirrorProxy
from reference.pgdog.settings import Destination, Settings, Source
from reference.pgdog.tally import Tallies
from reference.pgdog.wrong.switch import Defect
from runner.children import start
from tests.waiting import until

SUPERUSER, PASSWORD = "postgres", "super secret"
USERS = ("app", "other", "trusting", "clear", "md5er")
RULES = "".join(
    f"host all {user} 127.0.0.1/32 {method}\n"
    for user, method in [("trusting", "trust"), ("clear", "password"), ("md5er", "md5"), ("all", "scram-sha-256")]
)


@dataclass
class Server:
    """One PostgreSQL server with the database `app` and its users."""

    port: int

    def connect(self, user=SUPERUSER, password=PASSWORD, database="app", port=None):
        session = psycopg2.connect(
            host=HOST, port=port or self.port, user=user, password=password, dbname=database, connect_timeout=10
        )
        session.autocommit = True
        return session

    def run(self, statement, database="app"):
        with closing(self.connect(database=database)) as session, session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def server(directory: Path):
    """Start a server that asks each user for its password in another way."""
    found = programs.find(programs.POSTGRESQL, Program(version="18"))
    bin_directory, data_directory = found.path.parent, directory / "data"
    directory.mkdir()
    password = directory / "password"
    password.write_text(PASSWORD)
    options = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
    initdb: list[str | Path] = [
        bin_directory / "initdb",
        "-D",
        data_directory,
        "-U",
        SUPERUSER,
        "--pwfile",
        password,
        *options,
    ]
    subprocess.run([*programs.unprivileged(), *initdb], check=True, stdout=subprocess.DEVNULL)
    (data_directory / "pg_hba.conf").write_text(RULES)
    running = Server(Ports().choose())
    settings = {
        "listen_addresses": HOST, "port": running.port, "unix_socket_directories": "", "fsync": "off",
        "max_connections": 200, "max_prepared_transactions": 5,
    }  # fmt: skip
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (directory / "log").open("w") as log:
        command: list[str | Path] = [
            *programs.unprivileged(),
            bin_directory / "postgres",
            "-D",
            data_directory,
            *arguments,
        ]
        process = start(command, stderr=log)
        try:
            until(lambda: running.run("select 1", "postgres"), "the server", not_yet=(psycopg2.OperationalError,))
            running.run("create database app", "postgres")
            for user in USERS:
                kind = "md5" if user == "md5er" else "scram-sha-256"
                running.run(f"set password_encryption = '{kind}'; create role {user} login password '{user}'")
            running.run("grant all on schema public to public")
            yield running
        finally:
            process.terminate()
            process.wait(timeout=20)


@dataclass
class Proxy:
    """A proxy and its counts."""

    primary: Server
    mirror: Server
    settings: Settings
    defect: Defect | None = None
    tallies: Tallies = field(default_factory=Tallies)

    def connect(self, user="app", **options):
        session = psycopg2.connect(
            host=HOST, port=self.settings.port, user=user, password=user, dbname="app", connect_timeout=10, **options
        )
        session.autocommit = True
        return session

    def count(self, name):
        return sum(getattr(tally, name) for tally in self.tallies.all())

    def counts(self):
        """What became of everything, without zeros."""
        names = ("mirrored", "sampled_out", "overflowed", "connection", "query", "timeout")
        return {name: self.count(name) for name in names if self.count(name)}

    def quiet(self, **expected):
        """Wait until everything has its outcome, and these counts are reached."""

        def done():
            assert self.count("backlog") >= 0
            counts = self.counts()
            whole = self.count("attempted") == sum(counts.values()) and not self.count("backlog")
            return whole and (not expected or counts == expected)

        until(done, f"{expected or 'an outcome of everything'}, counted now: {self.counts()}")

    def until_left(self):
        until(lambda: not self.engine.clients and not self.engine.lanes, "every client and lane to be gone")
        assert self.engine.bytes_held == 0
        assert not self.engine.keys
        assert not self.engine.running

    def adopt(self, settings):
        self.settings = settings
        self.call(self.engine.adopt, settings)

    def call(self, function, *arguments):
        done = threading.Event()

        def work():
            function(*arguments)
            done.set()

        self.loop.call_soon_threadsafe(work)
        assert done.wait(10)

    def run(self):
        logging.getLogger("pgdog").setLevel(logging.CRITICAL)
        uvloop.run(self._serve())

    async def _serve(self):
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        self.engine = MirrorProxy(self.settings, self.tallies, self.defect)
        await self.engine.start()
        self.started.set()
        await self.ended.wait()
        await self.engine.stop(5.0)

    @contextmanager
    def running(self):
        self.started = threading.Event()
        thread = threading.Thread(target=self.run)
        thread.start()
        assert self.started.wait(10)
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self.ended.set)
            thread.join(20)
            assert not thread.is_alive()


def proxy(primary, mirror, *, defect=None, users=USERS, mirror_port=None, exposure=1.0, queue=128, **settings):
    """Return a proxy that is not started yet."""
    destination = Destination("mirror", HOST, mirror_port or mirror.port, "app", exposure, queue)
    source = Source("app", HOST, primary.port, "app", (destination,))
    base = Settings("plan", HOST, Ports().choose(), sources={"app": source})
    logins = {(user, "mirror"): user for user in users}
    return Proxy(primary, mirror, replace(base, logins=logins, **settings), defect)
