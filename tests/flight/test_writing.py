from __future__ import annotations

import json
from typing import NamedTuple

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extras import execute_values
from pyarrow import flight

from environments.system import Endpoint
from FlightLibrary import FlightLibrary
from FlightLibrary.keywords.base import undo_all
from FlightLibrary.keywords.writing import Import
from tests.flight.conftest import OWNER
from tests.flight.tiny import TinyFlight

pytestmark = pytest.mark.servers
library = FlightLibrary()


class Storing(TinyFlight):
    """Stores uploads in PostgreSQL, in one transaction, from tables it allows."""

    where: Endpoint
    allowed: tuple[str, ...] = ("tb_import",)
    whole = True
    looks = True

    def do_put(self, context, descriptor, reader, writer):
        name = descriptor.path[0].decode()
        if name not in self.allowed:
            raise flight.FlightUnauthorizedError(f"{name} takes no uploads")
        session = psycopg2.connect(
            host=self.where.host,
            port=self.where.port,
            dbname="fraiseql",
            user=OWNER.user,
            password=OWNER.password.value,
        )
        try:
            self.store(session, name, context, reader)
        except psycopg2.Error as error:
            session.rollback()
            raise pa.ArrowInvalid(str(error)) from None
        finally:
            session.close()

    def store(self, session, name, context, reader):
        for chunk in reader:
            columns = ", ".join(chunk.data.schema.names)
            rows = [tuple(row.values()) for row in chunk.data.to_pylist()]
            with session.cursor() as cursor:
                execute_values(cursor, f"INSERT INTO {name} ({columns}) VALUES %s", rows)
            if not self.whole:
                session.commit()
        if self.looks and context.is_cancelled():
            session.rollback()
        else:
            session.commit()


class BatchByBatch(Storing):
    whole = False


class TakesTheEndForTheEnd(Storing):
    """Does not look whether a stream that ended was cut off."""

    looks = False


class AllTables(Storing):
    allowed = ("tb_import", "tb_user", "TB_IMPORT", "public.tb_import")


@pytest.fixture
def storing(system, database):
    def run(kind=Storing):
        kind.where = database
        system(kind, database=database)

    return run


def test_an_upload_is_stored_and_taken_away_again(storing):
    storing()
    upload = library.rows_are_uploaded(2500)
    library.uploaded_rows_should_be_stored(upload)
    assert upload.stored() == 2500
    undo_all()
    assert upload.stored() == 0


class TakesNone(Storing):
    allowed = ()


def test_an_upload_that_is_refused_is_told_with_what_the_server_said(storing):
    storing(TakesNone)
    with pytest.raises(AssertionError, match="10 rows was refused with PERMISSION_DENIED: tb_import takes no uploads"):
        library.uploaded_rows_should_be_stored(library.rows_are_uploaded(10))
    with pytest.raises(
        AssertionError, match=r"the row before it: 0 rows stored, told PERMISSION_DENIED .* expected OK"
    ):
        library.nothing_should_have_been_stored(library.uploads_that_break_in_the_middle_are_tried())


def test_a_row_that_is_not_stored_is_seen(storing):
    storing()
    upload = library.rows_are_uploaded(10)
    upload.delete()
    with pytest.raises(AssertionError, match="0 rows in the table, 10 in upload"):
        library.uploaded_rows_should_be_stored(upload)


def test_refused_tables_get_nothing(storing):
    storing()
    attempts = library.uploads_to_other_tables_are_tried()
    library.nothing_should_have_been_stored(attempts)
    assert len(attempts) == 7


class WritesByReading(Storing):
    """Runs a mutation that comes in a ticket."""

    def do_get(self, context, ticket):
        if b"mutation" in ticket.ticket:
            address = json.loads(ticket.ticket)["query"].split('email: "')[1].split('"')[0]
            user = pa.record_batch({"name": ["by a ticket"], "email": [address]})
            allowed, self.allowed = self.allowed, ("tb_user",)
            self.do_put(context, flight.FlightDescriptor.for_path("tb_user"), [Chunk(user)], None)
            self.allowed = allowed
            return flight.RecordBatchStream(pa.table({"result": ["written"]}))
        return super().do_get(context, ticket)


class Chunk(NamedTuple):
    data: pa.RecordBatch


def test_a_ticket_that_writes_is_seen(storing):
    storing(WritesByReading)
    attempts = library.uploads_to_other_tables_are_tried()
    with pytest.raises(AssertionError, match=r"1 of 7 .* a mutation in a ticket: 1 rows stored, told OK"):
        library.nothing_should_have_been_stored(attempts)


def test_a_table_that_takes_what_it_should_not_is_seen(storing):
    storing(AllTables)
    attempts = library.uploads_to_other_tables_are_tried()
    with pytest.raises(AssertionError, match="table tb_user: 1 rows stored, told OK"):
        library.nothing_should_have_been_stored(attempts)


def test_broken_uploads_leave_nothing(storing):
    storing()
    attempts = library.uploads_that_break_in_the_middle_are_tried()
    library.nothing_should_have_been_stored(attempts)
    assert [attempt.what for attempt in attempts] == ["duplicate key", "null", "key that is there", "cut off"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (BatchByBatch, "duplicate key: 2000 rows stored, told INVALID_ARGUMENT"),
        (TakesTheEndForTheEnd, "1 of 4 uploads did not end as they should: cut off: 4000 rows stored"),
    ],
)
def test_parts_of_an_upload_are_seen(storing, kind, message):
    storing(kind)
    attempts = library.uploads_that_break_in_the_middle_are_tried()
    with pytest.raises(AssertionError, match=message):
        library.nothing_should_have_been_stored(attempts)


def test_no_two_uploads_share_their_ids(monkeypatch):
    monkeypatch.setattr("FlightLibrary.keywords.writing.on_test_end", lambda *arguments: None)
    assert len({Import().first for _ in range(1000)}) == 1000
