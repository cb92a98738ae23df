"""Just enough of PostgreSQL's lexical rules to cut a query string into its statements and to tell them apart."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    rb"""(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))
    |(?P<quoted>'[^']*(?:'|\Z))
    |(?P<name>"[^"]*(?:"|\Z))
    |(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)
    |(?P<line>--[^\r\n]*)
    |(?P<block>/\*)
    |(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)
    |(?P<number>[0-9$][A-Za-z0-9_.]*)
    |(?P<mark>[();])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(rb"/\*|\*/")
_CALL = re.compile(rb"([\w.\"]+)\s*\(")
_CHANGE = re.compile(rb"\b(?:insert|update|delete|merge|into)\b", re.IGNORECASE)
_CREATES = {b"function", b"procedure"}

# What stands before a parenthesis without being a function that could write.
_HARMLESS = frozenset(
    b"abs all and any array array_agg as avg between bool_and bool_or by cast ceil coalesce concat count "
    b"current_setting date_trunc distinct else except exists extract filter floor format from generate_series greatest "
    b"having in intersect json_agg jsonb_agg lag lead least length like limit lower max md5 min mod not now nullif "
    b"numeric on or over partition pg_backend_pid pg_catalog.pg_sleep pg_sleep rank repeat round row row_number select "
    b"some string_agg substring sum then to_char to_regclass trim union unnest upper using values varchar version "
    b"when where with".split()
)


def split(text: bytes) -> list[bytes]:
    """Cut a query string at its top-level semicolons; what holds nothing but blanks and comments is left out."""
    found: list[bytes] = []
    for start, end, words in _statements(text):
        if words:
            found.append(text[start:end])
    return found


def leading(text: bytes, count: int) -> list[str]:
    """Return the first words of a statement in lower case, without comments; quoted names as they are."""
    words: list[str] = []
    at = 0
    while len(words) < count and (token := _TOKEN.search(text, at)):
        at = _after(text, token)
        if token.lastgroup == "word":
            words.append(token.group().decode("utf-8", "replace").lower())
        elif token.lastgroup == "name":
            words.append(token.group()[1:-1].decode("utf-8", "replace"))
    return words


def may_write(text: bytes) -> bool:
    """Tell whether a statement that is answered like a SELECT could have changed something."""
    if b"(" not in text and len(text) < 4000:
        return _CHANGE.search(text) is not None
    return _called_may_write(bytes(text))


@lru_cache(maxsize=1000)
def _called_may_write(text: bytes) -> bool:
    if _CHANGE.search(text) is not None:
        return True
    return any(name.lower() not in _HARMLESS for name in _CALL.findall(text))


def _statements(text: bytes) -> list[tuple[int, int, int]]:
    """Return start, end and number of tokens of each statement."""
    found: list[tuple[int, int, int]] = []
    start = at = tokens = parentheses = blocks = 0
    creates, first, last = False, b"", b""
    while token := _TOKEN.search(text, at):
        kind, word = token.lastgroup, token.group()
        tokens += bool(text[at : token.start()].strip())  # operators and the like
        at = _after(text, token)
        if kind == "mark" and word == b";":
            if not parentheses and not blocks:
                found.append((start, token.start(), tokens))
                start, tokens, creates, first, last = at, 0, False, b"", b""
            continue
        if kind in {"line", "block"}:
            continue
        tokens += 1
        if kind == "mark":
            parentheses = max(0, parentheses + (1 if word == b"(" else -1))
        elif kind == "word":
            word = word.lower()
            first = first or word
            creates = creates or (first == b"create" and word in _CREATES)
            blocks = _blocks(blocks, creates, last, word)
            last = word
    tokens += bool(text[at:].strip())
    found.append((start, len(text), tokens))
    return found


def _blocks(depth: int, creates: bool, last: bytes, word: bytes) -> int:
    """Return how deep in `BEGIN ATOMIC ... END` a word leaves us; a CASE ends with END as well."""
    if not depth:
        return int(creates and last == b"begin" and word == b"atomic")
    if word == b"case":
        return depth + 1
    return depth - 1 if word == b"end" else depth


def _after(text: bytes, token: re.Match[bytes]) -> int:
    """Return where a token ends, with what a pattern alone cannot find."""
    if token.lastgroup == "dollar":
        end = text.find(token.group(), token.end())
        return len(text) if end < 0 else end + len(token.group())
    if token.lastgroup != "block":
        return token.end()
    depth, at = 1, token.end()
    while depth and (mark := _COMMENT.search(text, at)):
        depth += 1 if mark.group() == b"/*" else -1
        at = mark.end()
    return len(text) if depth else at
