"""Column-oriented views: always one state of the tables, read anew only where it has changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pyarrow as pa
import pytest

from reference.fraiseql.gateway.flight.columns import ColumnStore
from reference.fraiseql.gateway.flight.database import Database, Session
from reference.fraiseql.gateway.flight.patience import Patience, Watch
from reference.fraiseql.gateway.flight.views import View, ViewProblem
from tests.fraiseql.flight.client import Client, connected, refused
from tests.fraiseql.flight.conftest import ORDERS, Starter
from tests.fraiseql.gateway.programs import Postgres
from tests.waiting import until

INSERT = "INSERT INTO tb_order (id, fk_user, total, quantity, status)"
VIEWS = ("va_users", "va_orders", "ta_users", "ta_orders")


class Present:
    """A call whose client is there."""

    def is_cancelled(self) -> bool:
        return False


def patience() -> Patience:
    return Patience(Watch(), Present(), 30)


def as_sql_has_it(postgres: Postgres, view: str, rest: str = "") -> list[tuple[Any, ...]]:
    return postgres.rows(f"SELECT * FROM {view} {rest}")


def rows(found: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_what_postgresql_says_it_is(client: Client, postgres: Postgres, view: str):
    assert rows(client.view(view)) == as_sql_has_it(postgres, view)


def test_columns_are_typed(client: Client):
    time = pa.timestamp("us", "UTC")
    orders = {"id": pa.int64(), "total": pa.float64(), "created_at": time, "customer_name": pa.string()}
    assert client.view("va_orders", limit=1).schema == pa.schema(orders)
    assert set(client.view("ta_orders", limit=1).schema.types) == {pa.string()}


def test_batches_have_ten_thousand_rows_at_most(client: Client):
    sizes = [chunk.data.num_rows for chunk in client.ask("OptimizedView", view="va_orders")]
    assert (sum(sizes), max(sizes)) == (ORDERS, 10_000)


@pytest.mark.parametrize("keys", [{"limit": 3}, {"limit": 10_001}, {"offset": 9_999, "limit": 2}, {"offset": 59_998},
                                  {"offset": ORDERS}, {"limit": 2**63}, {"offset": 2**63}])  # fmt: skip
def test_a_part_of_a_view_is_cut_exactly(client: Client, postgres: Postgres, keys: dict[str, int]):
    first, count = keys.get("offset", 0), keys.get("limit", ORDERS)
    found = client.view("va_orders", **keys)
    assert found["id"].to_pylist() == list(range(1, ORDERS + 1))[first : first + count]


@pytest.mark.parametrize("order", ["total DESC, id", "customer_name, id desc", "customer_name DESC,id", "  id  "])
def test_an_order_is_that_of_postgresql(client: Client, postgres: Postgres, order: str):
    found = client.view("va_orders", order_by=order, limit=12_000, offset=7)
    assert rows(found) == as_sql_has_it(postgres, "va_orders", f"ORDER BY {order} LIMIT 12000 OFFSET 7")


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"filter": "id = 1"}, "filter"),
        ({"order_by": ""}, "order_by"),
        ({"order_by": "id;"}, "order_by"),
        ({"order_by": "id sideways"}, "order_by"),
        ({"order_by": "nope"}, "no column nope"),
    ],
)
def test_what_a_view_cannot_give_is_the_clients_mistake(client: Client, keys: dict[str, Any], match: str):
    refused("INVALID_ARGUMENT", lambda: client.view("va_orders", **keys), match)


def test_a_view_that_is_not_served_is_not_found(client: Client):
    refused("NOT_FOUND", lambda: client.view("pg_user"))


def test_what_was_written_is_seen_by_the_next_request(own_postgres: Postgres, start: Starter):
    with connected(start(database=own_postgres.url)) as client:
        for change in (
            "SELECT 1",
            "UPDATE tb_order SET total = total + 1 WHERE id % 1000 = 0",
            f"{INSERT} VALUES (25000000, 1, 1, 1, 'new'), (-7, 1, 1, 1, 'old')",
            "DELETE FROM tb_order WHERE id BETWEEN 2000 AND 3000",
            "UPDATE tb_order SET id = id + 30000 WHERE id < 5",
            "DELETE FROM tb_order WHERE id > 20000000",
            "TRUNCATE tb_order",
            f"{INSERT} SELECT n, 1, n, 1, 'new' FROM generate_series(1, 10) AS n",
        ):
            own_postgres.run(change)
            for view in ("va_orders", "ta_orders"):
                assert rows(client.view(view)) == as_sql_has_it(own_postgres, view), change


def test_what_is_not_committed_is_not_seen(own_postgres: Postgres, start: Starter):
    with connected(start(database=own_postgres.url)) as client, closing(own_postgres.connect()) as session:
        session.autocommit = False
        before = rows(client.view("va_users"))
        session.cursor().execute("UPDATE tb_user SET email = 'x' WHERE pk_user = 1")
        assert rows(client.view("va_users")) == before
        session.commit()
        assert rows(client.view("va_users"))[0][1] == "x"


def test_readers_never_see_half_a_change(own_postgres: Postgres, start: Starter):
    own_postgres.run(f"{INSERT} SELECT n, 1, 0, 1, 'new' FROM generate_series(6001, 25000) AS n")
    own_postgres.run("UPDATE tb_order SET total = 0")
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            own_postgres.run("UPDATE tb_order SET total = total + 1")

    writer = threading.Thread(target=write)
    with connected(start(database=own_postgres.url)) as client:
        seen: set[float] = set()

        def several_states() -> bool:
            totals = set(client.view("va_orders")["total"].to_pylist())
            assert len(totals) == 1
            seen.update(totals)
            return len(seen) > 4

        writer.start()
        try:
            until(several_states, "five states of the view", 60)
        finally:
            over.set()
            writer.join()


def test_what_was_committed_before_a_request_is_in_its_answer(own_postgres: Postgres, start: Starter):
    """While others ask all the time, whose look at the tables a request may share."""
    committed, over = 0, threading.Event()

    def write() -> None:
        nonlocal committed
        while not over.is_set():
            own_postgres.run("UPDATE tb_order SET total = %s WHERE id = 7", committed + 1)
            committed += 1

    def ask(client: Client) -> None:
        for _ in range(40):
            before = committed
            (seen,) = client.view("va_orders", limit=1, offset=6)["total"].to_pylist()
            assert seen >= before

    with ThreadPoolExecutor(5) as pool, ExitStack() as open_:
        gateway = start(database=own_postgres.url)
        own_postgres.run("UPDATE tb_order SET total = 0 WHERE id = 7")
        writing = pool.submit(write)
        open_.callback(over.set)
        asking = [pool.submit(ask, open_.enter_context(connected(gateway))) for _ in range(4)]
        for one in asking:
            one.result(60)
        over.set()
        writing.result(10)
    assert committed > 10


class Recorded(Session):
    """Records the statements that read rows, and the others."""

    read: list[str]
    other: list[str]

    def run(self, sql: str, patience: Patience) -> pa.Table:
        self.other.append(sql)
        return super().run(sql, patience)

    def whole(self, sql: str, patience: Patience) -> pa.Table:
        self.read.append(sql)
        return super().whole(sql, patience)


@pytest.fixture
def store(own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[ColumnStore]:
    monkeypatch.setattr(Recorded, "read", [], raising=False)
    monkeypatch.setattr(Recorded, "other", [], raising=False)
    monkeypatch.setattr("reference.fraiseql.gateway.flight.database.Session", Recorded)
    database = Database(own_postgres.url)
    yield ColumnStore(["va_orders", "odd", "joined", "gone"], database)
    database.close()


def test_only_blocks_that_changed_are_read(own_postgres: Postgres, store: ColumnStore):
    own_postgres.run(f"{INSERT} SELECT n * 10000, 1, 0, 1, 'new' FROM generate_series(1, 20) AS n")
    first = store.snapshot("va_orders", patience())
    assert len(Recorded.read) == 1 + 21
    Recorded.read.clear()
    Recorded.other.clear()
    assert store.snapshot("va_orders", patience()) is first
    assert Recorded.read == []
    assert len(Recorded.other) == 1, "each is a way to the database and back, in every request"
    own_postgres.run("UPDATE tb_order SET total = 7 WHERE id = 50000")
    second = store.snapshot("va_orders", patience())
    (sql,) = Recorded.read
    assert "id BETWEEN 50000 AND 59999" in sql
    assert first.table()["total"].to_pylist().count(7.0) == 0, "a state that a reader has must not change"
    assert second.table()["total"].to_pylist().count(7.0) == 1
    assert sum(a is b for a, b in zip(first.batches, second.batches, strict=True)) == 20


def test_many_readers_share_a_look_at_the_tables(store: ColumnStore, monkeypatch: pytest.MonkeyPatch):
    store.snapshot("va_orders", patience())
    begun: list[int] = []
    entered, go_on = threading.Event(), threading.Event()
    plain = store._refreshed

    def slow(*arguments: Any) -> Any:
        begun.append(1)
        state = plain(*arguments)
        entered.set()
        assert go_on.wait(10)
        return state

    monkeypatch.setattr(store, "_refreshed", slow)
    readers = [threading.Thread(target=store.snapshot, args=("va_orders", patience())) for _ in range(20)]
    readers[0].start()
    assert entered.wait(10)
    for reader in readers[1:]:
        reader.start()
    go_on.set()
    for reader in readers:
        reader.join(10)
    assert 2 <= len(begun) < 20  # the first, and one for all that came meanwhile; some may have come later still


def test_a_view_that_cannot_be_kept_says_why(own_postgres: Postgres, store: ColumnStore):
    own_postgres.run("CREATE VIEW odd AS SELECT id FROM tb_order ORDER BY total")
    own_postgres.run(
        "CREATE VIEW joined AS SELECT o.id FROM tb_order o, tb_user u WHERE u.pk_user = fk_user ORDER BY o.id"
    )
    with pytest.raises(ViewProblem, match="not counted in blocks of total"):
        store.snapshot("odd", patience())
    with pytest.raises(ViewProblem, match="no plain selection"):
        store.snapshot("joined", patience())
    with pytest.raises(KeyError, match="There is no view gone"):
        store.snapshot("gone", patience())


@pytest.mark.parametrize(
    ("block", "first", "last"),
    [
        (0, -9999, 9999),
        (1, 10000, 19999),
        (-1, -19999, -10000),
        (922337203685477, 9223372036854770000, 9223372036854779999),
    ],
)
def test_a_block_has_the_keys_that_postgresql_counts_in_it(block: int, first: int, last: int):
    text = View("v", "t", " SELECT id\n   FROM t", "id", pa.schema([])).block(block)
    assert f"id BETWEEN {first} AND {last}\n" in text
    assert [int(key / 10_000) for key in (first, last) if abs(key) < 2**53] == [block] * (abs(last) < 2**53) * 2


def test_the_list_of_flights_describes_the_views(client: Client):
    found = {info.descriptor.path[0].decode(): info for info in client.flight.list_flights(options=client.options)}
    assert tuple(found) == VIEWS
    for name, info in found.items():
        answer = client.flight.do_get(info.endpoints[0].ticket, client.options).read_all()
        assert answer.schema == info.schema == client.view(name).schema
