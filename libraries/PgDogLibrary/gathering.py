"""What is known of a mirror at a quiet moment: both servers read, the clients' ledger, and the counters."""

from __future__ import annotations

from psycopg2 import sql

from oracles import replay
from oracles.mirror import Compared
from oracles.replay import Replayed, replayed
from PgDogLibrary.contents import compare, copied
from PgDogLibrary.counts import moved
from PgDogLibrary.place import COMPARED
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import read
from PgDogLibrary.verdict import Evidence

ROWS = ("client", "seq", "part", "value", *replay.OWN_COLUMNS)


def evidence(proxy: Proxied) -> Evidence:
    """Read both servers and the counters of a proxy that has come to rest."""
    assert proxy.before is not None, "its metrics are on"
    counted = moved([proxy.before, *proxy.readings, read(proxy.instance)])
    return Evidence(contents(proxy), counted, counted.counts.total.backlog, transactions(proxy))


def contents(proxy: Proxied) -> Compared:
    """Compare the tables of the test on both servers."""
    place, found = proxy.place, []
    for database in place.databases:
        with place.primary.session(database) as primary, place.mirror.session(database) as mirror:
            tables = [place.table(name) for name in COMPARED]
            aside = {place.table("entries"): replay.OWN_COLUMNS}
            found.append(compare(primary, mirror, tables=tables, aside=aside))
    return Compared(
        tuple(one for each in found for one in each.differences), {k: v for f in found for k, v in f.rows.items()}
    )


def transactions(proxy: Proxied) -> Replayed:
    """Judge what the mirror has of each transaction by what its client was told."""
    table = sql.Identifier(proxy.place.name, "entries")
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(map(sql.Identifier, ROWS)), table)
    with proxy.place.mirror.session(proxy.place.databases[0]) as session:
        return replayed(proxy.account.ledger(), copied(session, query, ROWS))
