"""Keywords of uploads: where rows may go, and that all of an upload is stored or nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pyarrow as pa
from psycopg2 import sql
from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from FlightLibrary import calls
from FlightLibrary.calls import OK
from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference
from FlightLibrary.keywords.base import addresses, as_owner, flight_connection, on_test_end
from FlightLibrary.tickets import GraphQLQuery
from PostgresLibrary.sessions import rows, value
from TemporalLibrary.core import always

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("amount", pa.float64())])
ROWS_A_BATCH = 1000
MISTAKES = frozenset({"INVALID_ARGUMENT", "ALREADY_EXISTS", "FAILED_PRECONDITION"})
"""What a client's mistake in the rows may be called."""
NOT_BY_READING = frozenset({"INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED"})
"""What a ticket that would write may be called."""
CUT_SECONDS = 1.0  # deadline of an upload that never ends
WATCHED_SECONDS = 1.0  # after it, nothing of it may be stored

_SOMEWHERE = 1 << 61  # ids of uploads lie in blocks of a million, chosen at random, that no two tests share


@dataclass(frozen=True)
class Import:
    """Rows that one test uploads, told by their ids from all others.

    Attributes:
        first: the first id.
        left: rows found in the table when the test looked, or that it uploaded.
        refused: with what the server refused them; "": it took them.
    """

    first: int = field(default_factory=lambda: random.randrange(1, _SOMEWHERE // 1_000_000) * 1_000_000)
    left: int = 0
    refused: str = ""

    def __post_init__(self) -> None:
        on_test_end(self.delete)

    def batch(self, number: int, *, start: int = 0) -> pa.RecordBatch:
        """Return so many rows, from the `start`-th on."""
        ids = range(self.first + start, self.first + start + number)
        names = [f"row {identity} – ünï 🚀 'quoted'" for identity in ids]
        return pa.record_batch([list(ids), names, [identity % 1000 / 8 for identity in ids]], schema=SCHEMA)

    def batches(self, number: int) -> list[pa.RecordBatch]:
        """Return so many batches of 1 000 rows."""
        return [self.batch(ROWS_A_BATCH, start=n * ROWS_A_BATCH) for n in range(number)]

    def stored(self) -> int:
        """Count the rows that are in the table now."""
        with as_owner() as session:
            return int(value(session, self._about("SELECT count(*) FROM {} WHERE {}")))

    def table(self) -> pa.Table:
        """Return the rows that are in the table now, by their id."""
        with as_owner() as session:
            found = rows(session, self._about("SELECT id, name, amount FROM {} WHERE {} ORDER BY id"))
        return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in found], SCHEMA)

    def delete(self) -> None:
        """Take them out of the table again."""
        with as_owner() as session:
            rows(session, self._about("DELETE FROM {} WHERE {}"))

    def _about(self, statement: str) -> sql.Composable:
        own = sql.SQL("id >= {} AND id < {}").format(sql.Literal(self.first), sql.Literal(self.first + 1_000_000))
        return sql.SQL(statement).format(sql.Identifier(addresses().upload_table), own)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upload that must not succeed: what was wrong with it, what it was told, and how many rows it left."""

    what: str
    expected: frozenset[str]
    status: str
    message: str
    left: int


class WritingKeywords:
    """Uploads that are allowed, and uploads that are not."""

    @keyword
    def rows_are_uploaded(self, number: int) -> Import:
        """Upload so many rows, in batches of 1 000, into the table that takes uploads; a refusal is told later."""
        upload = Import()
        data = pa.Table.from_batches([upload.batch(number)]).to_batches(max_chunksize=ROWS_A_BATCH)
        status, message = _upload(addresses().upload_table, data)
        return replace(upload, left=number, refused="" if status == OK else f"{status}: {message}")

    @keyword
    def uploaded_rows_should_be_stored(self, upload: Import) -> None:
        """Demand every value of every uploaded row in PostgreSQL."""
        if upload.refused:
            raise AssertionError(f"an upload of {upload.left} rows was refused with {upload.refused}")
        found = difference(upload.table(), pa.Table.from_batches([upload.batch(upload.left)]), ("the table", "upload"))
        if found is not None:
            raise AssertionError(f"what is stored is not what was uploaded: {found}")
        say(f"{upload.left} uploaded rows are stored")

    @keyword
    def uploads_to_other_tables_are_tried(self) -> list[Attempt]:
        """Upload a row that fits to a table that takes no uploads, and to names that are none.

        A mutation in a ticket is tried too: reading must not write.
        """
        upload = Import()
        allowed = addresses().upload_table
        others = (
            "no_such_table",
            "core.block_version",
            allowed.upper(),
            f'{allowed}"; SELECT 1; --',
            f"public.{allowed}",
        )
        denied = frozenset({"PERMISSION_DENIED"})
        return [
            _to_users(denied),
            _by_reading(),
            *(_import(f"table {name}", upload, [upload.batch(1)], denied, name) for name in others),
        ]

    @keyword
    def uploads_that_break_in_the_middle_are_tried(self) -> list[Attempt]:
        """Upload batches of which a later one cannot be stored, or which are cut off before their end."""
        return [_broken(what) for what in ("duplicate key", "null", "key that is there", "cut off")]

    @keyword
    def nothing_should_have_been_stored(self, attempts: Sequence[Attempt]) -> None:
        """Demand that each upload was refused with the right status and left not a single row."""
        wrong = [
            f"{a.what}: {a.left} rows stored, told {a.status} ({a.message[:100]}), "
            f"expected {' or '.join(sorted(a.expected))}"
            for a in attempts
            if a.left or a.status not in a.expected
        ]
        if wrong:
            raise AssertionError(
                f"{len(wrong)} of {len(attempts)} uploads did not end as they should: {'; '.join(wrong)}"
            )
        say(f"{len(attempts)} uploads were refused and left nothing")


def _broken(what: str) -> Attempt:
    """Try an upload of four batches whose third cannot be stored, or which never comes to its end."""
    upload = Import()
    batches = upload.batches(4)
    if what == "cut off":
        cut = frozenset({"DEADLINE_EXCEEDED"})
        attempt = _import(what, upload, batches, cut, deadline_seconds=CUT_SECONDS, end=False)
        return replace(attempt, left=_stored_later(upload))
    if what == "duplicate key":
        batches[2] = batches[0]
    elif what == "null":
        batches[2] = batches[2].set_column(1, SCHEMA.field("name"), pa.nulls(ROWS_A_BATCH, pa.string()))
    else:
        status, message = _upload(addresses().upload_table, [upload.batch(1, start=2 * ROWS_A_BATCH + 7)])
        if status != OK:
            return Attempt("the row before it", frozenset({OK}), status, message, upload.stored())
        attempt = _import(what, upload, batches, MISTAKES)
        return replace(attempt, left=attempt.left - 1)  # the one that was there
    return _import(what, upload, batches, MISTAKES)


def _import(
    what: str,
    upload: Import,
    batches: Sequence[pa.RecordBatch],
    expected: frozenset[str],
    table: str | None = None,
    *,
    deadline_seconds: float | None = None,
    end: bool = True,
) -> Attempt:
    status, message = _upload(table or addresses().upload_table, batches, deadline_seconds, end=end)
    return Attempt(what, expected, status, message, upload.stored())


def _to_users(expected: frozenset[str]) -> Attempt:
    """Try to upload a user: a row that fits, to a table that takes none."""
    marker = _marker()
    user = pa.record_batch({"name": ["uploaded"], "email": [marker]})
    status, message = _upload("tb_user", [user])
    return Attempt("table tb_user", expected, status, message, _users(marker))


def _by_reading() -> Attempt:
    """Try to write by a ticket, which is there to read."""
    marker = _marker()
    mutation = f'mutation {{ createUser(name: "by a ticket", email: "{marker}") {{ id }} }}'
    with flight_connection() as client:
        told = calls.told(client, "a right token", "DoGet", lambda client: client.read(GraphQLQuery(mutation)))
    return Attempt("a mutation in a ticket", NOT_BY_READING, told.status, told.message, _users(marker))


def _stored_later(upload: Import) -> int:
    """Count the rows of an upload that was cut off: now, and for a while, since the server may still be at it."""

    def none() -> None:
        if left := upload.stored():
            raise AssertionError(f"{left} rows")

    with suppress(AssertionError):
        always(none, WATCHED_SECONDS)
    return upload.stored()


def _upload(
    table: str, batches: Sequence[pa.RecordBatch], deadline_seconds: float | None = None, *, end: bool = True
) -> tuple[str, str]:
    def upload(client: FlightConnection) -> object:
        return client.upload(table, batches, deadline_seconds=deadline_seconds, end=end)

    with flight_connection() as client:
        told = calls.told(client, "a right token", "DoPut", upload)
    return told.status, told.message


def _marker() -> str:
    """Return an address by which a user of this test is told from all others, and is removed at its end."""
    marker = f"upload-{random.randrange(1 << 60)}@example.org"
    on_test_end(_delete_users, marker)
    return marker


def _users(marker: str) -> int:
    with as_owner() as session:
        return int(value(session, "SELECT count(*) FROM tb_user WHERE email = %s", (marker,)))


def _delete_users(marker: str) -> None:
    with as_owner() as session:
        rows(session, "DELETE FROM tb_user WHERE email = %s", (marker,))
