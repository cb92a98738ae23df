from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from robot.api.types import Secret

from environments.fraiseql import provision_database
from environments.system import Endpoint, FraiseqlAddresses, Identity, Login, Running, use
from FlightLibrary.client import FlightConnection
from FlightLibrary.keywords import base
from FlightLibrary.tokens import session_token
from tests.flight.tiny import SECRET, Gateway, TinyFlight, TinyHttp
from tests.one_server import one_server

OWNER = Login("fraiseql", Secret("the owner's secret"))
NOWHERE = Endpoint("127.0.0.1", 1)


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def serve(gateway):
    """Start tiny Flight servers, of a class with a mistake perhaps, that end with the test."""
    started = []

    def start(kind=TinyFlight, over=None):
        started.append(kind(over or gateway))
        return started[-1]

    yield start
    for server in started:
        server.shutdown()


@pytest.fixture
def flight_server(serve):
    return serve()


@pytest.fixture
def http_server(gateway):
    server = TinyHttp(gateway)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connect():
    """Make clients with a right token that end with the test."""
    clients = []

    def make(server, token=None, **settings):
        settings.setdefault("deadline_seconds", 5.0)
        clients.append(FlightConnection(server.address, token or session_token(SECRET), **settings))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(flight_server, connect):
    return connect(flight_server)


@dataclass
class TinySystem:
    """Enough of a `FraiseqlSystem` for keywords."""

    addresses: FraiseqlAddresses
    capabilities: frozenset[str] = frozenset({"graphql_flight", "flight_views", "flight_upload", "handshake"})
    services: dict[str, object] = field(default_factory=dict)
    facts: tuple[object, ...] = ()


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("identity") / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Identity("https://issuer.example", "fraiseql", path, "k1")


@pytest.fixture
def system(tmp_path, http_server, serve, identity, monkeypatch):
    """Make tiny servers the system that runs, and keep what keywords say; called with a class of server."""
    said: list[str] = []
    for module in ("querying", "program", "admission", "refusal", "writing"):
        monkeypatch.setattr(f"FlightLibrary.keywords.{module}.say", said.append)

    def run(kind=TinyFlight, *, over=None, database=NOWHERE, **changes):
        server = serve(kind, over)
        where = FraiseqlAddresses(
            http=http_server.address,
            flight=server.address,
            session_secret=Secret(SECRET),
            metrics_token=None,
            identity=identity,
            database=database,
            database_name="fraiseql",
            owner=OWNER,
            views=("va_users",),
            upload_table="tb_import",
            stream="fraiseql_events",
            subject="fraiseql.mutation",
        )
        running = Running("tiny", "embedded", "quick", str(tmp_path), 1.0, 7, system_name="fraiseql")
        running.system = TinySystem(where, **changes)  # type: ignore[assignment]
        use(running)
        return server

    run.said = said  # type: ignore[attr-defined]
    yield run
    try:
        base.undo_all()
    finally:
        use(None)


@pytest.fixture(scope="package")
def database(tmp_path_factory):
    """A PostgreSQL with the tables of FraiseQL and their rows."""
    with one_server(tmp_path_factory.mktemp("postgresql"), "18") as server:
        provision_database(server.connect_superuser, "fraiseql", OWNER)
        yield server.endpoint
