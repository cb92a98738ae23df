"""Ways to write the same kind of rows: each a client, or a part of the protocol, that people use."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import asyncpg

from PgDogLibrary.programs import run
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import end_sessions_on_mirror

ROWS = 20
COPIED = 20_000  # rows, about 600 kB: many messages
LARGE = 1_000_000  # bytes
PSQL_SECONDS = 30


def write_by(way: str, proxy: Proxied, programs: Path) -> None:
    """Write rows in one way.

    Args:
        way: one of `WAYS`.
        proxy: to write through.
        programs: directory with a `psql` of version 18 or newer, which knows pipelines.

    Raises:
        ValueError: there is no such way.
        AssertionError: a client was told an error.
    """
    if way not in WAYS:
        raise ValueError(f"there is no way '{way}' to write; there are {', '.join(WAYS)}")
    WAYS[way](proxy, programs)


def _prepared_in_sql(proxy: Proxied, _: Path) -> None:
    table = proxy.place.table("entries")
    with proxy.client() as client:
        client.run(
            f"PREPARE put (int, text) AS INSERT INTO {table} (client, seq, part, value) "
            f"VALUES ({client.number}, $1, 0, $2)"
        )
        for seq in range(1, ROWS + 1):
            client.run(f"EXECUTE put ({seq}, 'prepared in SQL {seq}')")
            proxy.account.wrote(client.number, seq, f"prepared in SQL {seq}")
        client.run("DEALLOCATE put")


def _several_at_once(proxy: Proxied, _: Path) -> None:
    with proxy.client() as client:
        for _number in range(ROWS):
            client.seq += 1
            values = tuple(f"{client.number}/{client.seq}/{part}" for part in range(3))
            client.run("; ".join(client.insert(part, value) for part, value in enumerate(values)))
            client.committed(*values)


def _copied(proxy: Proxied, _: Path) -> None:
    """In autocommit, and in a transaction with other statements."""
    with proxy.client() as client:
        for whole in (False, True):
            client.seq += 1
            values = tuple(f'{client.number}/{client.seq}/{part} "quoted", and\ttabbed' for part in range(COPIED))
            lines = "".join(
                f"{client.number}\t{client.seq}\t{part}\t{_escaped(value)}\n" for part, value in enumerate(values)
            )
            if whole:
                client.run("BEGIN")
            with client.session.cursor() as cursor:
                table = proxy.place.table("entries")
                cursor.copy_expert(f"COPY {table} (client, seq, part, value) FROM STDIN", io.StringIO(lines))
            if whole:
                client.run(f"UPDATE {proxy.place.table('accounts')} SET balance = balance + {COPIED} WHERE id = 1")
                client.run("COMMIT")
            client.committed(*values)


def _asyncpg(proxy: Proxied, _: Path) -> None:
    """Extended protocol: prepared statements with names, in autocommit, in a transaction, and many at once."""
    asyncio.run(_with_asyncpg(proxy))


def _outliving(proxy: Proxied, _: Path) -> None:
    """A client goes on with what it had prepared; of its session on the mirror, which was ended, it knows nothing."""
    asyncio.run(_over_two_sessions(proxy))


async def _over_two_sessions(proxy: Proxied) -> None:
    number, session = proxy.account.next_client(), await connected(proxy)
    try:
        put = await session.prepare(insert_of(proxy, number))
        for seq in range(1, ROWS + 1):
            if seq == ROWS // 2:
                end_sessions_on_mirror(proxy)
            await put.fetch(seq, 0, f"prepared before {seq}")
            proxy.account.wrote(number, seq, f"prepared before {seq}")
    finally:
        await session.close()


async def connected(proxy: Proxied) -> asyncpg.Connection:
    """Open a session of asyncpg."""
    target = proxy.target()
    return await asyncpg.connect(
        host=target.endpoint.host,
        port=target.endpoint.port,
        database=target.database,
        user=target.login.user,
        password=target.login.password.value,
        ssl=False,
    )


def insert_of(proxy: Proxied, client: int) -> str:
    """Return the statement that writes a row with the parameters transaction, part and value."""
    return f"INSERT INTO {proxy.place.table('entries')} (client, seq, part, value) VALUES ({client}, $1, $2, $3)"


async def _with_asyncpg(proxy: Proxied) -> None:
    number, session = proxy.account.next_client(), await connected(proxy)
    put = insert_of(proxy, number)
    try:
        for seq in range(1, ROWS + 1):
            await session.execute(put, seq, 0, f"asyncpg {seq}")
            proxy.account.wrote(number, seq, f"asyncpg {seq}")
        async with session.transaction():
            for part in range(3):
                await session.execute(put, ROWS + 1, part, f"asyncpg transaction {part}")
        values = tuple(f"asyncpg transaction {part}" for part in range(3))
        proxy.account.wrote(number, ROWS + 1, *values)
        many = [(ROWS + 2, part, f"asyncpg many {part}") for part in range(50)]
        await session.executemany(put, many)
        proxy.account.wrote(number, ROWS + 2, *(row[2] for row in many))
    finally:
        await session.close()


def _pipelined(proxy: Proxied, programs: Path) -> None:
    """Many statements are sent before the first answer is read, with a Sync after each two."""
    number, table = proxy.account.next_client(), proxy.place.table("entries")
    lines = ["\\startpipeline"]
    for seq in range(1, ROWS + 1):
        for part in range(2):
            insert = f"INSERT INTO {table} (client, seq, part, value) VALUES ($1, $2, $3, $4)"
            lines.append(f"{insert} \\bind {number} {seq} {part} 'pipelined {part}' \\sendpipeline")
        lines.append("\\syncpipeline")
    _psql(proxy, programs, "\n".join([*lines, "\\endpipeline", ""]))
    for seq in range(1, ROWS + 1):
        proxy.account.wrote(number, seq, "pipelined 0", "pipelined 1")


def _by_psql(proxy: Proxied, programs: Path) -> None:
    number, table = proxy.account.next_client(), proxy.place.table("entries")
    rows = ", ".join(f"({number}, 1, {part}, 'psql {part}')" for part in range(ROWS))
    _psql(
        proxy,
        programs,
        f"BEGIN;\nINSERT INTO {table} (client, seq, part, value) VALUES {rows};\nCOMMIT;\n"
        f"DO $$ BEGIN UPDATE {proxy.place.table('accounts')} SET holder = 'psql; and more' WHERE id = 2; END $$;\n",
    )
    proxy.account.wrote(number, 1, *(f"psql {part}" for part in range(ROWS)))


def _large(proxy: Proxied, _: Path) -> None:
    with proxy.client() as client:
        client.write(size=LARGE)


WAYS: dict[str, Callable[[Proxied, Path], None]] = {
    "prepared statements": _prepared_in_sql,
    "pipelined statements": _pipelined,
    "COPY": _copied,
    "several statements at once": _several_at_once,
    "prepared statements after the mirror ended its sessions": _outliving,
    "asyncpg": _asyncpg,
    "psql": _by_psql,
    "a statement of 1 MB": _large,
}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _psql(proxy: Proxied, programs: Path, script: str) -> None:
    options = ["-X", "-q", "-v", "ON_ERROR_STOP=1"]
    said = run(programs / "psql", options, proxy.target(), script, seconds=PSQL_SECONDS).stderr.strip()
    if said:  # an error within a pipeline does not end it with one
        raise AssertionError(f"psql says: {said[-400:]}")
