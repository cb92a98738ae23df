"""`SHOW MIRRORS` of the admin console, held against the metrics page that was read at the same quiet moment."""

from __future__ import annotations

from collections.abc import Mapping

from PgDogLibrary.admin import Answer
from PgDogLibrary.counts import Tally
from PgDogLibrary.dialect import Dialect, counts
from PgDogLibrary.scrape import Scrape, series

_PLAN = {
    "total_count": "attempted",
    "mirrored_count": "mirrored",
    "dropped_count": "overflow",
    "error_count": "errors",
    "queue_length": "backlog",
    "sampled_out_count": "sampled_out",
    "connection_errors": "connection",
    "query_errors": "query",
    "timeout_errors": "timeout",
}
_UPSTREAM = {
    "total_count": "mirror_total_count",
    "mirrored_count": "mirror_mirrored_count",
    "dropped_count": "mirror_dropped_count",
    "error_count": "mirror_error_count",
    "queue_length": "mirror_queue_length",
}


def differing(page: Scrape, answer: Answer, dialect: Dialect) -> list[str]:
    """List where the console and the page do not show the same numbers.

    Args:
        page: metrics.
        answer: of `SHOW MIRRORS`.
        dialect: of the proxy.

    Raises:
        AssertionError: the answer has other columns than this dialect's, or a number that is none.
    """
    columns = _PLAN if dialect == "plan" else _UPSTREAM
    missing = {"database", "user", *columns} - set(answer.columns)
    if missing:
        raise AssertionError(f"SHOW MIRRORS has no column {', '.join(sorted(missing))}")
    shown = {(str(r["database"]), str(r["user"])): _numbers(r, columns) for r in answer.records()}
    if len(shown) < len(answer.rows):
        return ["SHOW MIRRORS has two rows of the same database and user"]
    return _plan(page, shown) if dialect == "plan" else _upstream(page, shown)


_Shown = Mapping[tuple[str, str], Mapping[str, int]]


def _numbers(record: Mapping[str, str | None], columns: Mapping[str, str]) -> dict[str, int]:
    try:
        return {name: int(record[name] or "") for name in columns}
    except ValueError as error:
        raise AssertionError(f"SHOW MIRRORS has a number that is none: {error}") from None


def _plan(page: Scrape, shown: _Shown) -> list[str]:
    """The page has some numbers of each user, and all of them in all."""
    read = counts(page, "plan")
    found = []
    for whose in dict.fromkeys([*shown, *read.users]):
        row, tally = shown.get(whose), read.users.get(whose)
        if row is None or tally is None:
            found.append(f"{whose[1]} of {whose[0]} is only {'on the page' if row is None else 'in SHOW MIRRORS'}")
        else:
            found += _compared(f"{whose[1]} of {whose[0]}", row, tally)
    in_all = {name: sum(row[name] for row in shown.values()) for name in _PLAN}
    return found + _compared("in all", in_all, read.total)


def _compared(whose: str, row: Mapping[str, int], tally: Tally) -> list[str]:
    told = [(name, value, getattr(tally, _PLAN[name])) for name, value in row.items()]
    return [
        f"{whose}, {name}: {value} in SHOW MIRRORS, {own} on the page"
        for name, value, own in told
        if own is not None and own != value
    ]


def _upstream(page: Scrape, shown: _Shown) -> list[str]:
    found = []
    for column, name in _UPSTREAM.items():
        on_page: dict[str, float] = {series(name, dict(sorted(o.items()))): value for o, value in page.values(name)}
        in_rows: dict[str, float] = {
            series(name, {"database": database, "user": user}): row[column] for (database, user), row in shown.items()
        }
        in_rows[name] = sum(in_rows.values())
        found += [
            f"{one}: {_shown(in_rows.get(one))} in SHOW MIRRORS, {_shown(on_page.get(one))} on the page"
            for one in dict.fromkeys([*in_rows, *on_page])
            if in_rows.get(one) != on_page.get(one)
        ]
    return found


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
