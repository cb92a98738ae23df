"""What a request's text says: which statement, in which format it is to be answered, and where its data begins.

The engine does the parsing; this looks only for the clauses that concern the transport.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reference.clickhouse.errors import QueryError

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
       |(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
       |(?P<word>\w+)
       |(?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_LINE_END = re.compile(rb"[ \t\f]*\r?\n?")  # what stands between the name of a format and its data


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that is answered.

    Args:
        text: without its FORMAT clause.
        format: of the answer; None: the request's default.
        selects: whether it is a SELECT, whose answer the engine makes piece by piece.
    """

    text: str
    format: str | None
    selects: bool


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT of rows that come with the request.

    Args:
        text: up to the FORMAT clause or VALUES.
        format: of the rows.
        data_at: where in the request's text they begin.
    """

    text: str
    format: str
    data_at: int


def parse(text: bytes) -> Query | Insert:
    """Read a request's text, of which an INSERT's data may be cut anywhere.

    Raises:
        QueryError: there are several statements, or they are not UTF-8.
    """
    try:
        return _parsed(text)
    except UnicodeDecodeError:
        raise QueryError.of_front(62, "SYNTAX_ERROR", "The query is not UTF-8") from None


def _parsed(text: bytes) -> Query | Insert:
    words = list(_insert_words(text)) if _starts_insert(text) else []
    for place, (word, start, end) in enumerate(words):
        if word == b"FORMAT" and place + 1 < len(words):
            name_start, name_end = words[place + 1][1:]
            data_at = _LINE_END.match(text, name_end)
            assert data_at is not None  # it matches nothing at all as well
            return Insert(text[:start].decode(), text[name_start:name_end].decode(), data_at.end())
        if word == b"VALUES":
            return Insert(text[:start].decode(), "Values", end)
        if word in (b"SELECT", b"WITH", b"INFILE"):
            return _query(text)
    return Insert(text.decode(), "Values", len(text)) if words else _query(text)


def _starts_insert(text: bytes) -> bool:
    return next((word for word, _, _ in _words(text)), b"") == b"INSERT"


def _insert_words(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Words up to where data may begin: what follows need not be text."""
    last = False
    for word in _words(text):
        yield word
        if last or word[0] in (b"VALUES", b"SELECT", b"WITH", b"INFILE"):
            return
        last = word[0] == b"FORMAT"


def _words(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Words outside of brackets, in capitals, with where they begin and end; other signs as they are."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "sign":
            depth += (token[0] in b"([{") - (token[0] in b")]}")
        if depth == 0 and token.lastgroup != "skip":
            yield token[0].upper() if token.lastgroup == "word" else token[0], token.start(), token.end()


def _query(text: bytes) -> Query:
    words = list(_words(text))
    while words and words[-1][0] == b";":
        text = text[: words.pop()[1]]
    names = [word for word, _, _ in words]
    if b";" in names:
        raise QueryError.of_front(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
    selects = bool(names) and names[0] in (b"SELECT", b"WITH", b"FROM", b")")  # a bracket's inside is not among them
    for place in range(len(words) - 2, 0, -1):
        start, (name_start, name_end) = words[place][1], words[place + 1][1:]
        last = names[place + 2 : place + 3] in ([], [b"SETTINGS"])
        if names[place] == b"FORMAT" and last and names[place + 1].isalnum():
            rest = text[:start] + text[name_end:]
            return Query(rest.decode(), text[name_start:name_end].decode(), selects)
    return Query(text.decode(), None, selects)
