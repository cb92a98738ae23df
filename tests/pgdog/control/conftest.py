"""Proxy programs of these tests' own, whose data plane is a stand-in; and configurations of both dialects."""

from __future__ import annotations

import ctypes
import http.client
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from environments.embedded.ports import Ports
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"


def plan(general="", pools=""):
    """A whole configuration of the plan's dialect, or another with these tables."""
    pools = pools or (
        '[[pools]]\nname = "app"\nport = 5001\nmirror_of = "app_mirror"\n'
        '[[pools]]\nname = "app_mirror"\ndatabase = "app"\nport = 5002\nuser = "app"\npassword = "secret"\n'
    )
    return f'[general]\nhost = "{HOST}"\n{general}\n{pools}'


def upstream(general="", mirroring="", databases=""):
    """The same of upstream's."""
    databases = databases or (
        f'[[databases]]\nname = "app"\nhost = "{HOST}"\nport = 5001\n'
        f'[[databases]]\nname = "app_mirror"\nhost = "{HOST}"\nport = 5002\ndatabase_name = "app"\n'
    )
    mirroring = mirroring or '[[mirroring]]\nsource_db = "app"\ndestination_db = "app_mirror"\n'
    return f'[general]\nhost = "{HOST}"\n{general}\n{databases}{mirroring}[admin]\npassword = "open"\n'


USERS = "".join(
    f'[[users]]\nname = "{user}"\ndatabase = "{database}"\npassword = "of {user}"\n'
    for user in ("app", "other")
    for database in ("app", "app_mirror")
)


class Proxy:
    """One proxy process; it is written anew with `write`, and read again with `reload`."""

    def __init__(self, directory, dialect="plan", *options, general="", others=""):
        directory.mkdir(parents=True, exist_ok=True)
        self.dialect, self.directory, self.others = dialect, directory, others
        self.file, self.log = directory / "pgdog.toml", directory / "pgdog.log"
        ports = Ports()
        self.port, self.metrics_port, self.admin_port = ports.choose(), ports.choose(), ports.choose()
        if dialect == "upstream":
            self.admin_port = self.port
            (directory / "users.toml").write_text(USERS)
        self.write(general)
        self.options = options
        self.start()

    def start(self):
        def die_with_us():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        program = [sys.executable, "-P", "-m", "tests.pgdog.control.stand_in", "--config", str(self.file)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*program, *self.options], stdout=output, stderr=output, cwd=ROOT, preexec_fn=die_with_us
            )

    def write(self, general=""):
        ports = f"port = {self.port}\n"
        if self.dialect == "plan":
            ports += f"admin_port = {self.admin_port}\nmetrics_port = {self.metrics_port}\n"
            self.file.write_text(plan(ports + general) + self.others)
        else:
            ports += f'openmetrics_port = {self.metrics_port}\nopenmetrics_host = "{HOST}"\n'
            self.file.write_text(upstream(ports + general) + self.others)

    def until_ready(self):
        def ready():
            assert self.process.poll() is None, self.log.read_text()
            return "ready:" in self.log.read_text()

        until(ready, "the proxy to be ready", seconds=30)
        return self

    def count(self, *lines):
        """Tell the stand-in what happened, as a client would, and wait until it has counted."""
        with socket.create_connection((HOST, self.port), timeout=10) as client, client.makefile("r") as answers:
            client.sendall("".join(f"{line}\n" for line in lines).encode())
            assert [answers.readline() for _ in lines] == ["ok\n"] * len(lines)

    def get(self, path="/metrics", method="GET"):
        """Return status, headers and body."""
        with closing(http.client.HTTPConnection(HOST, self.metrics_port, timeout=10)) as connection:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()

    def samples(self):
        return samples_of(self.get()[2])

    def connect(self, **changed):
        """A session of the console by psycopg2, every command on its own."""
        of_plan = self.dialect == "plan"
        login = {"dbname": "pgdog", "user": "admin"} if of_plan else {"dbname": "admin", "user": "admin"}
        password = {} if of_plan else {"password": "open"}
        session = psycopg2.connect(**{"host": HOST, "port": self.admin_port, **login, **password, **changed})
        session.autocommit = True
        return session

    def ask(self, command):
        """Return the rows that a command of the console answers."""
        with closing(self.connect()) as session:
            cursor = session.cursor()
            cursor.execute(command)
            return cursor.fetchall() if cursor.description else []

    def end(self):
        """Ask it to end; return its exit status."""
        self.process.terminate()
        return self.process.wait(15)


@pytest.fixture
def proxy(tmp_path):
    """Makes running proxies, and ends them."""
    made: list[Proxy] = []

    def make(*arguments, **named):
        made.append(Proxy(tmp_path / str(len(made)), *arguments, **named))
        return made[-1].until_ready()

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end()


def samples_of(page):
    """Return the samples of a page as {(name, labels)}, by Prometheus's own parser; no sample is there twice."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples, name, **labels):
    return samples[name, frozenset(labels.items())]
