"""The HTTP interface, as curl and other plain clients use it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import requests

from reference.clickhouse.bodies import ENCODINGS
from tests.fraiseql.clickhouse.conftest import PASSWORD, USER, Front
from tests.fraiseql.clickhouse.test_bodies import packed
from tests.waiting import until

ROWS = b'{"a":1,"b":"one"}\n{"a":2,"b":"two"}\n'


def test_a_ping_needs_no_password(front: Front) -> None:
    answer = requests.get(front.url + "ping", timeout=5)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_an_unknown_path_is_not_found(front: Front) -> None:
    assert front.http.get(front.url + "play", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("headers", "arguments"),
    [
        ({}, {"user": USER, "password": "wrong"}),
        ({}, {}),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": "x"}, {"user": USER, "password": PASSWORD}),
        ({"Authorization": "Basic ###"}, {}),
    ],
)
def test_who_is_unknown_learns_nothing(front: Front, headers: dict[str, str], arguments: dict[str, str]) -> None:
    answer = requests.post(front.url, data="SELECT 1", headers=headers, params=arguments, timeout=5)
    assert answer.status_code == 403
    assert answer.headers["X-ClickHouse-Exception-Code"] == "516"
    assert "Authentication failed" in answer.text or "cannot be read" in answer.text


def test_three_ways_to_say_who_asks(front: Front) -> None:
    def ask(**how: object) -> str:
        return requests.post(front.url, data="SELECT 1", timeout=5, **how).text  # type: ignore[arg-type]

    assert ask(auth=(USER.encode(), PASSWORD.encode())) == "1\n"
    assert ask(params={"user": USER, "password": PASSWORD}) == "1\n"
    assert front.ask("SELECT 1") == "1"


def test_an_answer_tells_about_itself(front: Front) -> None:
    answer = front.post("SELECT 1 AS x", query_id="mine", default_format="JSONEachRow")
    assert answer.text == '{"x":1}\n'
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Timezone"] == front.ask("SELECT timezone()")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")


def test_argument_and_body_are_one_text(front: Front) -> None:
    assert front.post("+ 1 FORMAT CSV", query="SELECT 1").text == "2\n"


def test_parameters_are_text_and_never_statement(front: Front) -> None:
    assert (
        front.ask("SELECT {n:UInt8} + 1, {s:String}", param_n=41, param_s="it's \\\\ ; DROP")
        == "42\tit\\'s \\\\ ; DROP"
    )


def test_settings_hold_for_one_request(front: Front) -> None:
    assert front.ask("SELECT getSetting('max_threads')", max_threads=3) == "3"
    assert front.ask("SELECT getSetting('max_block_size')", max_block_size=77) == "77"
    assert front.ask("SELECT getSetting('max_block_size')") != "77"


def test_a_database_is_chosen(front: Front) -> None:
    front.ask("CREATE DATABASE IF NOT EXISTS `odd name`")
    assert front.ask("SELECT currentDatabase()", database="odd name") == "odd name"
    answer = front.post("SELECT currentDatabase()", headers={"X-ClickHouse-Database": "odd name"})
    assert answer.text == "odd name\n"
    assert front.ask("SELECT currentDatabase()") == "default"
    assert front.post("SELECT 1", database="none").headers["X-ClickHouse-Exception-Code"] == "81"


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT nope", 404, 47),
        ("SELECT * FROM nope", 404, 60),
        ("INSERT INTO nope FORMAT CSV\n1", 404, 60),
        ("INSERT INTO t FORMAT CSV\nx,y", 400, 27),
        ("INSERT INTO t FORMAT Nope\nx,y", 404, 73),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT 1 FORMAT Nope", 404, 73),
    ],
)
def test_errors_have_their_code_and_status(front: Front, statement: str, status: int, code: int) -> None:
    answer = front.post(statement)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code)), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert front.ask("SELECT count() FROM t") == "0"


def test_unknown_settings_are_refused(front: Front) -> None:
    assert front.post("SELECT 1", no_such_setting=1).headers["X-ClickHouse-Exception-Code"] == "115"
    assert front.post("SELECT 1", **{"a b": 1}).headers["X-ClickHouse-Exception-Code"] == "115"
    assert front.post("SELECT 1", compress=1).status_code == 501


def test_a_get_changes_nothing(front: Front) -> None:
    def get(query: str) -> requests.Response:
        return front.http.get(front.url, params={"query": query}, timeout=5)

    assert get("SELECT count() FROM t").text == "0\n"
    assert get("INSERT INTO t SELECT 1, 'x'").headers["X-ClickHouse-Exception-Code"] == "164"
    assert get("DROP TABLE t").headers["X-ClickHouse-Exception-Code"] == "164"
    assert front.ask("SELECT count() FROM t") == "0"


@pytest.mark.parametrize("encoding", ["", *ENCODINGS])
def test_rows_come_in_any_encoding(front: Front, encoding: str) -> None:
    body = packed(ROWS, encoding) if encoding else ROWS
    answer = front.post(body, {"Content-Encoding": encoding}, query="INSERT INTO t FORMAT JSONEachRow")
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert front.ask("SELECT * FROM t ORDER BY a") == "1\tone\n2\ttwo"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_answers_go_in_the_encoding_that_is_asked_for(front: Front, encoding: str) -> None:
    headers, text = {"Accept-Encoding": encoding}, "SELECT number FROM numbers(100000)"
    plain = front.post(text, headers).content
    answer = front.http.post(
        front.url, params={"enable_http_compression": 1}, data=text, headers=headers, stream=True, timeout=30
    )
    assert answer.headers["Content-Encoding"] == encoding
    coded = answer.raw.read(decode_content=False)
    assert len(coded) < len(plain)
    name = {"br": "brotli"}.get(encoding, encoding)
    if encoding != "deflate":
        assert pa.CompressedInputStream(pa.BufferReader(coded), name).read() == plain


@pytest.mark.parametrize("form", ["TabSeparated", "CSV", "JSONEachRow", "Native", "RowBinary", "ArrowStream", "Values"])
def test_what_one_table_gives_another_takes(front: Front, form: str) -> None:
    front.ask("INSERT INTO t SELECT number, toString(number * 3) || '\\'\\n' FROM numbers(150000)")
    rows = front.post(f"SELECT a + 150000 AS a, b FROM t FORMAT {form}").content
    answer = front.post(rows, query=f"INSERT INTO t FORMAT {form}")
    assert answer.status_code == 200, answer.text
    want = front.ask("SELECT sum(cityHash64(a, b)) FROM t WHERE a < 150000")
    assert front.ask("SELECT sum(cityHash64(a - 150000, b)) FROM t WHERE a >= 150000") == want
    assert front.ask("SELECT count() FROM t") == "300000"


def test_an_arrow_stream_of_many_pieces_is_one_stream(front: Front) -> None:
    content = front.post("SELECT number AS n, toString(number) AS s FROM numbers(500000) FORMAT ArrowStream").content
    with pa.ipc.open_stream(pa.BufferReader(content)) as reader:
        batches = list(reader)
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    assert table["n"].to_pylist() == list(range(500_000))


def test_an_empty_arrow_stream_has_its_schema(front: Front) -> None:
    content = front.post("SELECT a, b FROM t FORMAT ArrowStream").content
    table = pa.ipc.open_stream(pa.BufferReader(content)).read_all()
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])


def test_low_cardinality_survives_an_arrow_stream_of_many_pieces(front: Front) -> None:
    text = "SELECT toLowCardinality(toString(number % 1000)) AS s FROM numbers(300000) FORMAT ArrowStream"
    content = front.post(text, output_format_arrow_low_cardinality_as_dictionary=1).content
    table = pa.ipc.open_stream(pa.BufferReader(content)).read_all()
    assert table["s"].to_pylist() == [str(n % 1000) for n in range(300_000)]


def test_an_answer_that_fails_on_the_way_is_never_taken_for_whole(front: Front) -> None:
    text = "SELECT throwIf(number = 900000) FROM numbers(1000000) FORMAT RowBinary"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        front.post(text, max_block_size=1000, max_threads=1)
    assert front.ask("SELECT 1") == "1"


@pytest.mark.parametrize("rows", [1, 500_000])
def test_rows_that_stop_arriving_are_not_inserted(front: Front, rows: int) -> None:
    arguments = urlencode({"query": "INSERT INTO t FORMAT CSV", "user": USER, "password": PASSWORD})
    head = f"POST /?{arguments} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"1,x\n" * rows
    with socket.create_connection(("127.0.0.1", front.port)) as client:
        client.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(body), body))
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"the connection ended before the body did" in answer
    assert front.ask("SELECT count() FROM t") == "0"


def test_a_body_of_an_impossible_length_is_refused(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
        assert b"Content-Length is 'many'" in client.makefile("rb").read()
    assert front.ask("SELECT 1") == "1"


def test_a_refused_body_does_not_spoil_the_connection(front: Front) -> None:
    for _ in range(3):
        assert front.post(b"x" * 3_000_000, query="INSERT INTO nope FORMAT CSV").status_code == 404
        assert front.ask("SELECT 1") == "1"


def test_a_long_statement_is_told_and_long_rows_are_not(front: Front) -> None:
    assert front.post(b"SELECT 1" + b" " * (3 << 20)).status_code == 413
    assert front.post(b"1,x\n" * (1 << 20), query="INSERT INTO t FORMAT CSV").status_code == 200
    assert front.ask("SELECT count() FROM t") == str(1 << 20)


def test_readers_do_not_wait_for_one_who_inserts_slowly(front: Front) -> None:
    def rows() -> Iterator[bytes]:
        yield b"1,x\n"
        seen.append(front_two.ask("SELECT count() FROM t"))
        front_two.ask("INSERT INTO t VALUES (2, 'y')")
        seen.append(front_two.ask("SELECT count() FROM t"))
        yield b"3,z\n"

    seen: list[str] = []
    front_two = front.another_client()
    assert front.post(rows(), query="INSERT INTO t FORMAT CSV").status_code == 200
    assert seen == ["0", "1"]
    assert front.ask("SELECT count() FROM t") == "3"


def test_who_goes_away_ends_the_query(front: Front) -> None:
    def running() -> int:
        return int(
            front.ask(
                "SELECT count() FROM system.processes WHERE query LIKE '%endless%' AND query NOT LIKE '%processes%'"
            )
        )

    with front.http.post(
        front.url, data="SELECT number AS endless FROM system.numbers", stream=True, timeout=5
    ) as answer:
        answer.raw.read(1000)
    until(lambda: running() == 0, "the query to end")
