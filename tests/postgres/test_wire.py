"""The log-in spoken by hand meets the same server as everybody, and says what libpq keeps to itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg2.extensions import connection
from robot.api.types import Secret

from environments.system import Endpoint, Login
from PostgresLibrary import tenants, wire
from PostgresLibrary.sessions import Target, connect
from tests.one_server import OWNER, OneServer


def test_scram_matches_the_example_of_rfc_7677() -> None:
    exchange = wire.Scram("pencil", nonce="rOprNGfwEbeRWgbNEkqO", user="user")
    assert exchange.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    server = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert exchange.final(server) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )


def test_scram_refuses_a_foreign_nonce() -> None:
    with pytest.raises(ConnectionError, match="another client's nonce"):
        wire.Scram("pencil", nonce="mine").final(b"r=theirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")


def test_error_fields_are_told_apart() -> None:
    fields = wire.error_fields(b"SFATAL\0VFATAL\0C53300\0Mtoo many connections\0\0")
    assert fields == {"S": "FATAL", "V": "FATAL", "C": "53300", "M": "too many connections"}


class Rude:
    """Accepts, says something or nothing, and keeps or closes the connection."""

    def __init__(self, says: bytes, closes: bool) -> None:
        self._says, self._closes = says, closes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.endpoint = Endpoint("127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except OSError:
            return
        self._open.append(stream)
        stream.recv(1000)
        stream.sendall(self._says)
        if self._closes:
            stream.close()

    def close(self) -> None:
        self._listener.close()
        for stream in self._open:
            stream.close()


@pytest.fixture
def rude(request: pytest.FixtureRequest) -> Iterator[Rude]:
    server = Rude(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize(
    ("rude", "error", "says"),
    [
        ((b"", True), ConnectionError, "without a word"),
        ((b"", False), TimeoutError, "timed out"),
        ((b"R\0\0\0\x08\0\0\0\x07", False), ConnectionError, r"kind 7"),
    ],
    indirect=["rude"],
)
def test_a_server_that_does_not_talk_ends_the_attempt(rude: Rude, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wire.login_refusal(Target(rude.endpoint, "acceptance", OWNER), 0.3)


@pytest.mark.servers
class TestOnAServer:
    def test_a_good_login_is_let_in(self, server: OneServer) -> None:
        assert wire.login_refusal(server.target, 5) is None

    def test_a_wrong_password_is_refused(self, server: OneServer) -> None:
        refusal = wire.login_refusal(server.target.as_role(Login(OWNER.user, Secret("wrong"))), 5)
        assert refusal is not None
        assert refusal.sqlstate == "28P01"

    def test_a_database_that_is_not_there_is_refused(self, server: OneServer) -> None:
        refusal = wire.login_refusal(replace(server.target, database="nowhere"), 5)
        assert refusal is not None
        assert (refusal.sqlstate, "nowhere" in refusal.message) == ("3D000", True)

    def test_a_role_past_its_limit_is_refused(self, server: OneServer, owner: connection) -> None:
        login = tenants.new_login("limited")
        tenants.create_role(owner, login, 1)
        first = connect(server.target.as_role(login))
        refusal = wire.login_refusal(server.target.as_role(login), 5)
        first.close()
        tenants.drop_role(owner, login.user)
        assert refusal is not None
        assert refusal.sqlstate == "53300"
        assert "too many connections for role" in refusal.message
