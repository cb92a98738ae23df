"""A console that is as strict as the vendor's: simple queries only, and nothing but its own commands."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from robot.api.types import Secret

from environments.system import Endpoint, Login
from PgDogLibrary.admin import Answer, Console, ConsoleError


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def rows(names, *values):
    fields = b"".join(text(name) + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for name in names)
    said = message(b"T", struct.pack("!h", len(names)) + fields)
    for row in values:
        columns = (struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v.encode() for v in row)
        said += message(b"D", struct.pack("!h", len(row)) + b"".join(columns))
    return said + message(b"C", text("SHOW"))


ANSWERS = {
    "SHOW MIRRORS": rows(("database", "total_count"), ("app_mirror", "5"), (None, "7")),
    "SHOW MIRROR READINESS": rows(("readiness",), ("Status: READY",), ("",), ("two\nlines",)),
    "RELOAD": message(b"C", text("RELOAD")),
}
REFUSAL = message(b"E", b"SERROR\0C42601\0Msyntax error in admin command\0\0")


class StrictConsole:
    def __init__(self):
        self.asked = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._server.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as said:
                self._session(client, said)

    def _session(self, client, said):
        while True:
            length, code = struct.unpack("!ii", said.read(8))
            parameters = said.read(length - 8)
            if code == 196608:
                break
            client.sendall(b"N")  # neither TLS nor GSS
        self.parameters = parameters
        ready = message(b"Z", b"I")
        client.sendall(message(b"R", struct.pack("!i", 0)) + message(b"S", b"client_encoding\0UTF8\0") + ready)
        while (kind := said.read(1)) not in (b"", b"X"):
            (length,) = struct.unpack("!i", said.read(4))
            command = said.read(length - 4).rstrip(b"\0").decode()
            self.asked.append((kind, command))
            client.sendall(ANSWERS.get(command, REFUSAL) + ready)


@pytest.fixture
def strict():
    server = StrictConsole()
    yield server
    server.close()


@pytest.fixture
def console(strict):
    return Console(Endpoint("127.0.0.1", strict.port), "admin", Login("admin", Secret("a password")))


def test_rows_come_with_the_names_of_their_columns_and_nothing_else_is_asked(console, strict):
    answer = console.ask("SHOW MIRRORS")
    assert answer == Answer(("database", "total_count"), (("app_mirror", "5"), (None, "7")), "SHOW")
    assert answer.records()[0] == {"database": "app_mirror", "total_count": "5"}
    assert strict.asked == [(b"Q", "SHOW MIRRORS")]
    assert b"user\0admin\0" in strict.parameters


def test_a_text_comes_as_lines_however_it_is_cut_into_rows(console):
    assert console.ask("SHOW MIRROR READINESS").lines() == ["Status: READY", "", "two", "lines"]
    with pytest.raises(AssertionError, match="expected one column of text, there are database, total_count"):
        console.ask("SHOW MIRRORS").lines()


def test_a_command_without_rows_has_its_tag(console):
    assert console.ask("RELOAD") == Answer((), (), "RELOAD")


def test_a_refusal_has_its_code_and_message(console):
    with pytest.raises(ConsoleError, match="answers 'SHOW FOO' with 42601: syntax error in admin command") as caught:
        console.ask("SHOW FOO")
    assert (caught.value.sqlstate, caught.value.message) == ("42601", "syntax error in admin command")


def test_no_console_is_no_answer(console, strict):
    strict.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConsoleError, match=r"with no answer: .*refused"):
        Console(Endpoint("127.0.0.1", port), "admin", console.login).ask("SHOW MIRRORS")
