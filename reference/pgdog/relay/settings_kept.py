"""What a session keeps beyond its transactions, so that a mirror's new session can be given it."""

from __future__ import annotations

from reference.pgdog import sql
from reference.pgdog.mirror.unit import Kept, Setting, Step

_TAGS = frozenset({b"SET", b"RESET", b"PREPARE", b"DEALLOCATE", b"DEALLOCATE ALL", b"DISCARD ALL"})
_FUNCTION = b"set_config"
_PASSING = {"local", "transaction", "constraints"}  # SET of the transaction alone


def sets(tag: bytes, text: bytes) -> bool:
    """Tell whether a statement may be one to keep."""
    return tag in _TAGS or (_FUNCTION in text and tag.startswith(b"SELECT"))


def key_of(tag: bytes, text: bytes) -> tuple[str, str] | None:
    """Return kind and name of what is set: kind `set` or `prepare`, name empty for all; None where nothing is kept."""
    words = sql.leading(text, 4)
    if tag == b"DISCARD ALL":
        return "all", ""
    if tag == b"DEALLOCATE ALL":
        return "prepare", ""
    if tag.startswith(b"SELECT"):
        return "set", text.decode("utf-8", "replace")
    if tag in {b"PREPARE", b"DEALLOCATE"}:
        names = [word for word in words[1:] if word != "prepare" or words[0] == "prepare"]
        return "prepare", names[0] if names else ""
    if len(words) > 1 and words[1] in _PASSING:
        return None
    names = [word for word in words[1:] if word != "session"] or [""]
    return "set", "" if names[0] == "all" else names[0]


def keep(kept: Kept, tag: bytes, key: tuple[str, str], step: Step, version: int) -> Kept:
    """Return what is kept after a statement: a later one takes the place of what it changes."""
    kind, name = key
    if kind == "all":
        rest: Kept = ()
    elif not name:
        rest = tuple(setting for setting in kept if setting.key[0] != kind)
    else:
        rest = tuple(setting for setting in kept if setting.key != key)
    return (*rest, Setting(key, step, version, lenient=tag == b"DEALLOCATE"))


def surviving_rollback(before: Kept, inside: Kept) -> Kept:
    """Return what is kept when a transaction is rolled back: statements stay prepared, parameters do not stay set."""
    if inside is before:
        return before
    new = tuple(setting for setting in inside if setting not in before and setting.key[0] == "prepare")
    gone = {setting.key for setting in new}
    return (*(setting for setting in before if setting.key not in gone), *new)
